import { createHash, randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Chunk, toFileError } from './exporter.ts';

/** Bytes to gather before they are written: large enough to make calls and hashing cheap, small enough to stay in the cache. */
const writeSize = 512 * 1024;

const temporaryName = /^\..+\.[0-9a-f]{12}\.sheaf-tmp$/;

/** Whether a file of that name is a temporary of ours. */
export function isTemporaryName(name: string): boolean {
  return temporaryName.test(name);
}

/**
 * A file that does not exist under its name until it is published. It is written under a temporary name in the same directory (so that renaming is atomic),
 * counted and hashed on the way. open → write… → seal (synced to the disk) → publish (renamed), or discard at any time. All of it throws `ExportError`.
 */
export class StagedFile {
  /** The final name. */
  readonly path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  /** The same memory for all that is gathered: new memory would pile up faster than it is collected. Twice, for while the one is written the other fills. */
  #gathered = Buffer.allocUnsafeSlow(writeSize);
  #other = Buffer.allocUnsafeSlow(writeSize);
  #size = 0;
  /** The write that is under way. Its failure is thrown by whatever comes next. */
  #writing: Promise<void> = Promise.resolve();
  #bytes = 0;
  #isOpen = true;
  #isTemporary = true;

  private constructor(path: string, temporary: string, handle: FileHandle) {
    this.path = path;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  static async open(directory: string, name: string): Promise<StagedFile> {
    const path = join(directory, name);
    const temporary = join(directory, `.${name}.${randomBytes(6).toString('hex')}.sheaf-tmp`);
    try {
      return new StagedFile(path, temporary, await open(temporary, 'wx'));
    } catch (error) {
      throw toFileError(error, 'create', path);
    }
  }

  /** Resolves when the chunk is written, or has been gathered: what it is made of may then change. To be awaited before the next call. */
  async write(chunk: Chunk): Promise<void> {
    const most = typeof chunk === 'string' ? chunk.length * 3 : chunk.length; // a UTF-16 code unit takes up to three bytes
    if (this.#size + most > writeSize) await this.#flush();
    if (most <= writeSize) {
      this.#gather(chunk);
      return;
    }
    await this.#writing;
    await this.#writeBytes(typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk);
  }

  /** Writes what is gathered, and returns when the disk has it all. */
  async seal(): Promise<{ bytes: number; sha256: string }> {
    await this.#flush();
    await this.#writing;
    try {
      await this.#handle.sync();
      await this.#close();
    } catch (error) {
      throw toFileError(error, 'finish', this.path);
    }
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** Gives the file its name, in place of any file that has it. */
  async publish(): Promise<void> {
    try {
      await rename(this.#temporary, this.path);
    } catch (error) {
      throw toFileError(error, 'publish', this.path);
    }
    this.#isTemporary = false;
  }

  /** Removes what was written, unless it is published. Safe at any time, and twice. */
  async discard(): Promise<void> {
    // Closing may report an earlier failure to write: of no interest, the file goes away.
    await this.#close().catch(() => undefined);
    if (!this.#isTemporary) return;
    try {
      await rm(this.#temporary, { force: true });
    } catch (error) {
      throw toFileError(error, 'remove', this.#temporary);
    }
    this.#isTemporary = false;
  }

  #gather(chunk: Chunk): void {
    if (typeof chunk === 'string') {
      this.#size += this.#gathered.write(chunk, this.#size, 'utf8');
    } else {
      this.#gathered.set(chunk, this.#size);
      this.#size += chunk.length;
    }
  }

  /** Begins to write what is gathered, once what was gathered before it is written. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#size === 0) return;
    const bytes = this.#gathered.subarray(0, this.#size);
    [this.#gathered, this.#other] = [this.#other, this.#gathered];
    this.#size = 0;
    this.#writing = this.#writeBytes(bytes);
    this.#writing.catch(() => undefined); // awaited by what comes next; until then it must not count as unhandled
  }

  async #writeBytes(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    this.#bytes += bytes.byteLength;
    try {
      // Unlike write(), this goes on after a short write, and so meets the error behind it.
      await this.#handle.writeFile(bytes);
    } catch (error) {
      throw toFileError(error, 'write', this.path);
    }
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#writing.catch(() => undefined); // told to whoever wrote
    await this.#handle.close();
  }
}
