import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { buildProgram } from "../../../test/support/build-program.ts";
import { requirement } from "../../../test/support/requirements.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { checked } from "../../config/check.ts";
import { SharedServices } from "../../pipeline/shared-services.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { emptyProfile, ProfileBatch } from "../../profiles/profile.ts";
import { silentLogger } from "../../support/logger.ts";
import { type SymbolizeConfig, symbolizeConfig } from "./config.ts";
import { SymbolizeProcessor } from "./processor.ts";

/** Where a loader put the program in some process of another host. */
const PROCESS_START = 0x5555_5555_0000n;

interface Mapped {
  readonly start: bigint;
  readonly limit: bigint;
  readonly fileOffset: bigint;
  readonly buildId: string;
  readonly addresses: readonly bigint[];
  /** Processes that have it mapped, each elsewhere; 1 when not given. */
  readonly processes?: number;
  /** Of each process; all have the same one when not given. */
  readonly buildIdOf?: (process: number) => string;
}

/** Between the mappings of two processes. */
const PROCESS_STEP = 0x1_0000_0000n;

/** A batch as a gateway gets it: nothing of its processes runs here. */
function batchOf(mapped: Mapped): ProfileBatch {
  const { start, limit, fileOffset, addresses, processes = 1 } = mapped;
  const { buildIdOf = () => mapped.buildId } = mapped;
  const batch = new ProfileBatch();
  const { dictionary } = batch;
  const locations: number[] = [];
  for (let process = 0; process < processes; process++) {
    const key = "process.executable.build_id.gnu";
    const id = dictionary.internStringAttribute(key, buildIdOf(process));
    const moved = BigInt(process) * PROCESS_STEP;
    const mapping = dictionary.mappings.intern({
      memoryStart: start + moved,
      memoryLimit: limit + moved,
      fileOffset,
      // What a client says is never opened.
      filename: dictionary.strings.intern("/etc/shadow"),
      attributeSet: dictionary.attributeSets.intern([id]),
    });
    for (const address of addresses.map((one) => one + moved)) {
      const [low, high] = [Number(address & 0xffff_ffffn), Number(address >> 32n)];
      locations.push(dictionary.locations.intern(mapping, low, high, [], 0));
    }
  }
  const profile = emptyProfile();
  profile.samples.push(dictionary.stacks.intern(locations), 0, 0, 1);
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [
      {
        scope: { name: "", version: "", attributes: [], droppedAttributesCount: 0 },
        schemaUrl: "",
        profiles: [profile],
      },
    ],
  });
  return batch;
}

/** Of each location "function file:line" of its lines, innermost first. */
async function symbolized(mapped: Mapped, config: Partial<SymbolizeConfig>): Promise<string[][]> {
  await using shared = new SharedServices(silentLogger);
  const received: ProfileBatch[] = [];
  const processor = new SymbolizeProcessor(checked(symbolizeConfig, config), {
    ...testContext({ shared }),
    next: { consume: async (batch) => void received.push(batch) },
  });
  await processor.start();
  await processor.consume(batchOf(mapped));
  await processor.stop();
  const { locations, functions, strings } = received[0]?.dictionary ?? assert.fail();
  const count = mapped.addresses.length * (mapped.processes ?? 1);
  return Array.from({ length: count }, (_, index) => {
    const texts: string[] = [];
    for (let line = locations.lineStart(index + 1); line < locations.lineEnd(index + 1); line++) {
      const row = locations.lineFunction.at(line);
      const file = strings.at(functions.filename.at(row));
      const name = strings.at(functions.name.at(row));
      texts.push(
        `${name} ${file.slice(file.lastIndexOf("/") + 1)}:${locations.lineNumber.at(line)}`,
      );
    }
    return texts;
  });
}

describe("symbolize in a gateway", { skip: requirement("binutils") }, () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const program = buildProgram("three_paths.cpp", ["-pie", "-fPIE", "-Wl,--build-id=sha1"]);
  const buildId = /Build ID: ([0-9a-f]+)/.exec(read("readelf", "-n", program))?.[1] ?? "";
  const [, offset = "", address = "", size = ""] =
    /LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x\w+ 0x(\w+) R E/.exec(read("readelf", "-lW", program)) ?? [];
  const main = BigInt(`0x${/^(\w+) T main$/m.exec(read("nm", program))?.[1]}`);
  const code = { address: BigInt(`0x${address}`), offset: BigInt(`0x${offset}`) };
  const pages = (BigInt(`0x${size}`) + 4095n) & ~4095n;
  const inProcess = {
    start: PROCESS_START,
    limit: PROCESS_START + pages,
    fileOffset: code.offset,
    buildId,
    addresses: [main - code.address + PROCESS_START],
  };
  let expected: string[][];

  before(async () => {
    for (const [store, option] of [
      ["debug", "--only-keep-debug"],
      ["whole", ""],
    ] as const) {
      const path = join(folder.path, store, buildId.slice(0, 2), `${buildId.slice(2)}.debug`);
      mkdirSync(dirname(path), { recursive: true });
      if (option === "") copyFileSync(program, path);
      else execFileSync("objcopy", [option, program, path]);
    }
    const line = /main$\n(.*):(\d+)/m.exec(
      read("addr2line", "-f", "-e", program, main.toString(16)),
    );
    expected = [[`main three_paths.cpp:${line?.[2]}`]];
    assert.ok(line !== null);
  });

  function storeOf(name: string): Partial<SymbolizeConfig> {
    const location = folder.file(name);
    const files = { symbol_stores: [{ location, debuginfo: "{nn}/{rest}.debug" }] };
    return { lines: true, line_index_size_max: 0, debug_files: files as never };
  }

  for (const store of ["debug", "whole"]) {
    const what = store === "debug" ? "a debug file" : "the program";
    it(`names addresses of a process by its build id and ${what}`, async () => {
      assert.deepEqual(await symbolized(inProcess, storeOf(store)), expected);
    });

    it(`names the file's own addresses by its build id and ${what}`, async () => {
      const own = { ...inProcess, start: 0n, limit: 0n, fileOffset: 0n, addresses: [main] };
      assert.deepEqual(await symbolized(own, storeOf(store)), expected);
    });
  }

  it("names addresses of several processes that have one file mapped", async () => {
    const named = await symbolized({ ...inProcess, processes: 5 }, storeOf("whole"));
    assert.deepEqual(named, new Array(5).fill(expected[0]));
  });

  it("names addresses of more files at once than stay open", async () => {
    const processes = 300;
    const buildIdOf = (process: number): string => process.toString(16).padStart(40, "ab");
    const bytes = readFileSync(program);
    const at = bytes.indexOf(Buffer.from(buildId, "hex"));
    for (let process = 0; process < processes; process++) {
      const id = buildIdOf(process);
      bytes.set(Buffer.from(id, "hex"), at);
      const path = join(folder.path, "many", id.slice(0, 2), `${id.slice(2)}.debug`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, bytes);
    }
    const named = await symbolized({ ...inProcess, processes, buildIdOf }, storeOf("many"));
    assert.deepEqual(named, new Array(processes).fill(expected[0]));
  });

  it("goes by what addresses are said to be", async () => {
    const own = { ...inProcess, start: 0n, limit: 0n, addresses: [main] };
    const [[name = ""] = []] = await symbolized(own, { ...storeOf("whole"), addresses: "process" });
    assert.match(name, /^shadow\+0x/);
  });

  it("names nothing by another build id, and opens nothing by a path", async () => {
    for (const other of ["00".repeat(20), "", "../../../etc", "zz", "a".repeat(1000)]) {
      const [[name = ""] = []] = await symbolized(
        { ...inProcess, buildId: other },
        storeOf("whole"),
      );
      assert.match(name, /^shadow\+0x/, other);
    }
  });
});

function read(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8" });
}
