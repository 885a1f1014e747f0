import type { EntitySchema, Navigation, Property, Schema } from './schema.ts';

const namespace = 'FT.Domain.Models';
const mangled = namespace.replaceAll('.', '_');

/** The service's metadata document (EDMX 1.0, OData 3), byte order mark included, as the real one has it. */
export function metadataXml(schema: Schema): string {
  const sets = [...schema.values()];
  return [
    '\uFEFF<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">',
    '  <edmx:DataServices m:DataServiceVersion="3.0" m:MaxDataServiceVersion="3.0" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">',
    `    <Schema Namespace="${namespace}" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">`,
    ...sets.flatMap(entityType),
    ...sets.flatMap((set) => set.navigation.flatMap((navigation) => association(set, navigation))),
    '    </Schema>',
    '    <Schema Namespace="Default" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">',
    '      <EntityContainer Name="Container" m:IsDefaultEntityContainer="true">',
    ...sets.map((set) => `        <EntitySet Name="${set.name}" EntityType="${namespace}.${set.name}" />`),
    ...sets.flatMap((set) => set.navigation.flatMap((navigation) => associationSet(set, navigation))),
    '      </EntityContainer>',
    '    </Schema>',
    '  </edmx:DataServices>',
    '</edmx:Edmx>',
  ].join('\r\n');
}

function entityType(set: EntitySchema): string[] {
  return [
    `      <EntityType Name="${set.name}">`,
    '        <Key>',
    `          <PropertyRef Name="${set.key}" />`,
    '        </Key>',
    ...set.properties.map(propertyElement),
    ...set.navigation.map((navigation) => navigationElement(set, navigation)),
    '      </EntityType>',
  ];
}

function propertyElement(property: Property): string {
  const nullability = property.nullable ? '' : ' Nullable="false"';
  return `        <Property Name="${property.name}" Type="${property.type}"${nullability} />`;
}

function navigationElement(set: EntitySchema, navigation: Navigation): string {
  const relationship = `${namespace}.${associationName(set, navigation)}`;
  const roles = `ToRole="${navigation.name}" FromRole="${navigation.name}Partner"`;
  return `        <NavigationProperty Name="${navigation.name}" Relationship="${relationship}" ${roles} />`;
}

function associationName(set: EntitySchema, navigation: Navigation): string {
  const { name, target } = navigation;
  return `${mangled}_${set.name}_${name}_${mangled}_${target}_${name}Partner`;
}

function association(set: EntitySchema, navigation: Navigation): string[] {
  const { name, target, isMany } = navigation;
  return [
    `      <Association Name="${associationName(set, navigation)}">`,
    `        <End Type="${namespace}.${target}" Role="${name}" Multiplicity="${isMany ? '*' : '0..1'}" />`,
    `        <End Type="${namespace}.${set.name}" Role="${name}Partner" Multiplicity="0..1" />`,
    '      </Association>',
  ];
}

function associationSet(set: EntitySchema, navigation: Navigation): string[] {
  const name = associationName(set, navigation);
  return [
    `        <AssociationSet Name="${name}Set" Association="${namespace}.${name}">`,
    `          <End Role="${navigation.name}Partner" EntitySet="${set.name}" />`,
    `          <End Role="${navigation.name}" EntitySet="${navigation.target}" />`,
    '        </AssociationSet>',
  ];
}
