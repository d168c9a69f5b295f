import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ContainerIds, containerIdIn } from "./container-ids.ts";
import { imageWith } from "./testing/fakes.ts";

const ID = "0123456789abcdef".repeat(4);

const cases = [
  { name: "Docker with cgroupfs", path: `/docker/${ID}`, id: ID },
  { name: "Docker with systemd", path: `/system.slice/docker-${ID}.scope`, id: ID },
  {
    name: "Kubernetes with containerd",
    path: `/kubepods.slice/kubepods-pod1b2c.slice/cri-containerd-${ID}.scope`,
    id: ID,
  },
  { name: "Podman's payload", path: `/machine.slice/libpod-${ID}.scope/container`, id: ID },
  { name: "a container in a container", path: `/docker/${"f".repeat(64)}/docker/${ID}`, id: ID },
  { name: "a service of systemd", path: "/system.slice/cron.service", id: "" },
  { name: "63 digits", path: `/docker/${ID.slice(1)}`, id: "" },
  { name: "65 digits", path: `/docker/${ID}0`, id: "" },
  { name: "the root", path: "/", id: "" },
  { name: "nothing", path: "", id: "" },
];

describe("containerIdIn", () => {
  for (const { name, path, id } of cases) {
    it(`reads ${name}`, () => assert.equal(containerIdIn(path), id));
  }
});

describe("ContainerIds", () => {
  it("reads each program once", () => {
    const read: number[] = [];
    const containers = new ContainerIds((pid) => {
      read.push(pid);
      return `/docker/${ID}`;
    });
    const image = imageWith([]);
    for (let i = 0; i < 3; i++) containers.meet(image);
    assert.equal(containers.of(image), ID);
    assert.deepEqual(read, [100]);
  });

  it("reads a program once for all its generations, as long as the last one runs", () => {
    let reads = 0;
    const containers = new ContainerIds(() => {
      reads++;
      return `/docker/${ID}`;
    });
    const image = imageWith([]);
    const next = image.nextGeneration(5n);
    image.exitNs = 5n;
    for (const each of [image, next]) {
      containers.meet(each);
      assert.equal(containers.of(each), ID);
    }
    assert.equal(reads, 1);
  });

  it("does not read the pid of a program that has ended, nor of a kernel thread", () => {
    const containers = new ContainerIds(() => assert.fail("it was read"));
    const ended = imageWith([]);
    ended.program.exitNs = 5n;
    const kernelThread = imageWith([], { isKernelThread: true });
    for (const image of [ended, kernelThread]) {
      containers.meet(image);
      assert.equal(containers.of(image), "");
    }
  });
});
