import { describe, expect, it } from 'vitest';
import {
  checkBrokers,
  checkSubscriptionName,
  checkTopicPrefix,
  checkWebhookUrl,
  pauseAfterFailures,
} from '../../src/domain/subscription.ts';

describe('a subscription', () => {
  it.each(['https://hooks.example/sheaf', 'http://127.0.0.1:8080/a?team=7'])('may be to %s', (url) => {
    expect(checkWebhookUrl(url)).toBe(url);
  });

  it.each([
    ['ftp://a.example/', /not an http or https URL/],
    ['hooks.example', /not an http or https URL/],
    ['', /not an http or https URL/],
    ['https://user:hunter2@a.example/', /holds a password or a key/],
    ['https://hunter2@a.example/', /holds a password or a key/],
    ['https://a.example/?api_key=hunter2', /holds a password or a key/],
    ['https://a.example/?x=1&token=hunter2', /holds a password or a key/],
  ])('may not be to %s, and what is secret in it is not repeated', (url, reason) => {
    expect(() => checkWebhookUrl(url)).toThrow(reason);
    expect(() => checkWebhookUrl(url)).not.toThrow(/hunter2/);
  });

  it('names its brokers by host and port', () => {
    expect(checkBrokers('a:9092, b.example:1 ,[::1]:9093')).toBe('a:9092,b.example:1,[::1]:9093');
    for (const bad of ['', 'a', 'a:', 'a:0', 'a:65536', 'a:9092,', 'u:p@a:9092', 'kafka://a:9092', 'a b:1'])
      expect(() => checkBrokers(bad), bad).toThrow(/Write host:port/);
    expect(() => checkBrokers('kafka://u:hunter2@a:9092')).not.toThrow(/hunter2/);
  });

  it('has a name, and a prefix, that can stand everywhere', () => {
    expect(checkSubscriptionName('search-index-2')).toBe('search-index-2');
    for (const bad of ['', 'A', '-a', 'a b', 'å', 'a'.repeat(64)])
      expect(() => checkSubscriptionName(bad), bad).toThrow(/small letters/);
    expect(checkTopicPrefix('Team_7.sheaf')).toBe('Team_7.sheaf');
    for (const bad of ['', '.a', 'a b', 'å', 'a'.repeat(101)])
      expect(() => checkTopicPrefix(bad), bad).toThrow(/topics begin with/);
  });

  it('is tried again for ever, with pauses up to five minutes', () => {
    expect([1, 2, 3, 4, 100].map(pauseAfterFailures)).toEqual([5_000, 30_000, 120_000, 300_000, 300_000]);
  });
});
