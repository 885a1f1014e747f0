import { describe, expect, it } from 'vitest';
import { isFromOurPages } from '../../../src/server/security/origin.ts';

const ours = 'https://sheaf.example';
const browser = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/60.0', cookie: 'sheaf=x' };

describe('a request that changes something', () => {
  it.each([
    ['a form of our own', { ...browser, 'sec-fetch-site': 'same-origin' }],
    ['what a person typed or reloaded', { ...browser, 'sec-fetch-site': 'none' }],
    ['an older browser with our origin', { ...browser, origin: 'https://sheaf.example' }],
    ['one whose proxy ended https', { ...browser, origin: 'http://sheaf.example' }],
    ['a browser that only sends where it was', { ...browser, referer: 'https://sheaf.example/runs' }],
    ['a program', { 'user-agent': 'curl/8.14' }],
    ['a program that says nothing of itself', {}],
  ])('is taken from %s', (_who, headers) => {
    expect(isFromOurPages(headers, ours)).toBe(true);
  });

  it.each([
    ['another site', { ...browser, 'sec-fetch-site': 'cross-site', origin: ours }],
    ['a sister of our host', { ...browser, 'sec-fetch-site': 'same-site' }],
    ['an origin of another host', { ...browser, origin: 'https://evil.example' }],
    ['an origin of another port', { ...browser, origin: 'https://sheaf.example:8443' }],
    ['a sandboxed page', { ...browser, origin: 'null' }],
    ['a page of another site, by its referrer', { ...browser, referer: 'https://evil.example/https://sheaf.example' }],
    ['a browser that says nothing', browser],
    ['a browser that says nothing and has no cookie', { 'user-agent': browser['user-agent'] }],
    ['a program with a cookie', { 'user-agent': 'curl/8.14', cookie: 'sheaf=x' }],
  ])('is refused from %s', (_who, headers) => {
    expect(isFromOurPages(headers, ours)).toBe(false);
  });
});
