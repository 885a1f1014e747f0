import { type Dispatcher, errors as undiciErrors } from 'undici';

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Dispatcher.ResponseData['headers'];
  /** Null where an answer that tells of an error broke off: its status says more than the rest of it would have. */
  readonly body: Buffer | null;
}

/**
 * Takes one answer, and ends the request when the body takes too long. Not by the stream that undici makes of a body: what came
 * through such streams was seen to be freed by full collections only, however soon nobody needed it.
 */
export class AnswerReceiver implements Dispatcher.DispatchHandler {
  readonly #bodyTimeoutMs: number;
  readonly #settling = Promise.withResolvers<Answer>();
  #controller: Dispatcher.DispatchController | undefined;
  #head: Omit<Answer, 'body'> | undefined;
  readonly #chunks: Buffer[] = [];
  #limit: NodeJS.Timeout | undefined;
  #reason: Error | undefined;

  /** `bodyTimeoutMs`: from the headers to the last byte. */
  constructor(bodyTimeoutMs: number) {
    this.#bodyTimeoutMs = bodyTimeoutMs;
  }

  /** Resolves when all of it has come; rejects when the request fails, or is ended. */
  get answer(): Promise<Answer> {
    return this.#settling.promise;
  }

  /** Ends the request, also one that still waits for a connection. */
  abort(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#settling.reject(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#reason !== undefined) controller.abort(this.#reason);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Dispatcher.ResponseData['headers'],
  ): void {
    if (status < 200) return; // the answer itself is still to come
    this.#head = { status, headers };
    this.#limit = setTimeout(() => controller.abort(new undiciErrors.BodyTimeoutError()), this.#bodyTimeoutMs);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    clearTimeout(this.#limit);
    if (this.#head !== undefined) this.#settling.resolve({ ...this.#head, body: Buffer.concat(this.#chunks) });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#limit);
    if (this.#head !== undefined && this.#head.status >= 400) this.#settling.resolve({ ...this.#head, body: null });
    else this.#settling.reject(error);
  }
}
