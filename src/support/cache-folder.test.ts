import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultCacheFolder } from "./cache-folder.ts";

const ROOT = 0;
const USER = 1000;

describe("default cache folder", () => {
  const cases = [
    { name: "root", uid: ROOT, env: {}, folder: "/var/cache/obsforge" },
    {
      name: "root by sudo, with the user's environment",
      uid: ROOT,
      env: { HOME: "/home/ann", XDG_CACHE_HOME: "/home/ann/.cache" },
      folder: "/var/cache/obsforge",
    },
    {
      name: "the chosen one before all",
      uid: ROOT,
      env: { OBSFORGE_CACHE_DIR: "/chosen", CACHE_DIRECTORY: "/var/cache/own" },
      folder: "/chosen",
    },
    {
      name: "a chosen one that is empty is none",
      uid: USER,
      env: { OBSFORGE_CACHE_DIR: "", XDG_CACHE_HOME: "/x" },
      folder: "/x/obsforge",
    },
    {
      name: "systemd's folder before the usual ones",
      uid: ROOT,
      env: { CACHE_DIRECTORY: "/var/cache/own", XDG_CACHE_HOME: "/x" },
      folder: "/var/cache/own",
    },
    {
      name: "the first of systemd's folders, for a user too",
      uid: USER,
      env: { CACHE_DIRECTORY: "/var/cache/a:/var/cache/b", HOME: "/home/ann" },
      folder: "/var/cache/a",
    },
    {
      name: "XDG_CACHE_HOME",
      uid: USER,
      env: { XDG_CACHE_HOME: "/x", HOME: "/home/ann" },
      folder: "/x/obsforge",
    },
    {
      name: "a relative XDG_CACHE_HOME is ignored",
      uid: USER,
      env: { XDG_CACHE_HOME: "x", HOME: "/home/ann" },
      folder: "/home/ann/.cache/obsforge",
    },
    { name: "a user without a home", uid: USER, env: { HOME: "" }, folder: undefined },
  ];
  for (const { name, env, uid, folder } of cases) {
    it(name, () => assert.equal(defaultCacheFolder(env, uid), folder));
  }
});
