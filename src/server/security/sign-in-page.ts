import { html } from 'ghtml';
import type { Page } from '../pages/layout.ts';

interface SignIn {
  readonly next: string;
  /** Why the last attempt did not succeed, and the name that was typed then. */
  readonly trouble: string | null;
  readonly name?: string;
}

/** The page on which people sign in. */
export function signInPage({ next, trouble, name = '' }: SignIn): Page {
  const [nameFocus, passwordFocus] = name === '' ? [' autofocus', ''] : ['', ' autofocus'];
  const content = html`<form class="sign-in" method="post" action="/sign-in">
<input type="hidden" name="next" value="${next}">
<p><label>Name<br><input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required value="${name}"!${nameFocus}></label></p>
<p><label>Password<br><input name="password" type="password" autocomplete="current-password" required!${passwordFocus}></label></p>
<p><button>Sign in</button></p>
</form>`;
  return { title: 'Sign in', content, message: trouble === null ? undefined : { kind: 'problem', text: trouble } };
}

/** A page that says why something is not shown, or was not done. */
export function refusalPage({ title, detail }: { readonly title: string; readonly detail: string }): Page {
  return { title, content: html`<p class="lead" role="alert">${detail}</p><p><a href="/">All runs</a></p>` };
}
