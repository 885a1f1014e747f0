import { html } from 'ghtml';
import type { Page } from '../pages/layout.ts';

/** The page on which people sign in; `trouble` says why the last attempt did not succeed. */
export function signInPage({ next, trouble }: { readonly next: string; readonly trouble: string | null }): Page {
  const content = html`<form class="sign-in" method="post" action="/sign-in">
<input type="hidden" name="next" value="${next}">
<p><label>Name<br><input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus></label></p>
<p><label>Password<br><input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Sign in</button></p>
</form>`;
  return { title: 'Sign in', content, message: trouble === null ? undefined : { kind: 'problem', text: trouble } };
}

/** A page that says why something is not shown, or was not done. */
export function refusalPage({ title, detail }: { readonly title: string; readonly detail: string }): Page {
  return { title, content: html`<p class="lead" role="alert">${detail}</p><p><a href="/">All runs</a></p>` };
}
