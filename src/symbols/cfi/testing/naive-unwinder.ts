/**
 * The plainest way to unwind one frame: find the FDE by looking at each, run its instructions to
 * the address with rules of every register in a map, evaluate expressions on a stack. It shares
 * no code with the compiler, of which it is the oracle, and believes its input: it throws what it
 * stumbles over.
 */

export interface NaiveFde {
  readonly start: number;
  readonly end: number;
  readonly isSignalFrame: boolean;
  readonly cie: NaiveCie;
  readonly instructions: readonly [number, number];
}

interface NaiveCie {
  readonly codeAlignment: number;
  readonly dataAlignment: number;
  readonly returnRegister: number;
  readonly encoding: number;
  readonly isSignalFrame: boolean;
  readonly hasData: boolean;
  readonly instructions: readonly [number, number];
}

type NaiveRule =
  | { readonly at: number }
  | { readonly value: number }
  | { readonly register: number }
  | { readonly atExpression: Uint8Array }
  | { readonly valueExpression: Uint8Array }
  | "undefined";

type NaiveCfa = { register: number; offset: number } | { expression: Uint8Array };

interface NaiveState {
  cfa: NaiveCfa;
  rules: Map<number, NaiveRule>;
}

export interface NaiveMachine {
  readonly register: (number: number) => bigint;
  readonly read: (address: bigint) => bigint;
}

export interface NaiveCaller {
  readonly sp: bigint;
  readonly pc: bigint | "undefined";
  readonly fp: bigint | "undefined";
}

const MASK = (1n << 64n) - 1n;

/** Reads .eh_frame of x86-64 or arm64 with pointers of encoding pcrel sdata4 or absptr. */
export class NaiveUnwinder {
  readonly fdes: readonly NaiveFde[];
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #address: number;
  #at = 0;

  constructor(bytes: Uint8Array, address: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#address = address;
    this.fdes = this.#readRecords();
  }

  /** What the registers of `fde`'s caller are when the thread is at the address. */
  unwind(fde: NaiveFde, address: number, machine: NaiveMachine, fpNumber: number): NaiveCaller {
    const { cfa, rules } = this.#stateAt(fde, address);
    const cfaValue =
      "expression" in cfa
        ? this.#evaluate(cfa.expression, machine, undefined)
        : machine.register(cfa.register) + BigInt(cfa.offset);
    const restore = (number: number): bigint | "undefined" => {
      const rule = rules.get(number);
      if (rule === undefined) return machine.register(number);
      if (rule === "undefined") return "undefined";
      if ("at" in rule) return machine.read((cfaValue + BigInt(rule.at)) & MASK);
      if ("value" in rule) return (cfaValue + BigInt(rule.value)) & MASK;
      if ("register" in rule) return machine.register(rule.register);
      if ("atExpression" in rule) {
        return machine.read(this.#evaluate(rule.atExpression, machine, cfaValue));
      }
      return this.#evaluate(rule.valueExpression, machine, cfaValue);
    };
    const spNumber = fpNumber === 6 ? 7 : 31;
    const sp = rules.has(spNumber) ? (restore(spNumber) as bigint) : cfaValue & MASK;
    return { sp, pc: restore(fde.cie.returnRegister), fp: restore(fpNumber) };
  }

  #readRecords(): NaiveFde[] {
    const cies = new Map<number, NaiveCie>();
    const fdes: NaiveFde[] = [];
    for (let start = 0; start + 4 <= this.#bytes.length; ) {
      const length = this.#view.getUint32(start, true);
      const end = start + 4 + length;
      this.#at = start + 8;
      if (length > 0) {
        const id = this.#view.getUint32(start + 4, true);
        if (id === 0) cies.set(start, this.#readCie(end));
        else fdes.push(this.#readFde(cies.get(start + 4 - id) as NaiveCie, end));
      }
      start = end;
    }
    return fdes;
  }

  #readCie(end: number): NaiveCie {
    const version = this.#u8();
    let augmentation = "";
    for (let byte = this.#u8(); byte !== 0; byte = this.#u8()) {
      augmentation += String.fromCharCode(byte);
    }
    const codeAlignment = this.#uleb();
    const dataAlignment = this.#sleb();
    const returnRegister = version === 1 ? this.#u8() : this.#uleb();
    let encoding = 0;
    if (augmentation.startsWith("z")) {
      const behind = this.#uleb() + this.#at;
      for (const letter of augmentation.slice(1)) {
        if (letter === "R") encoding = this.#u8();
        if (letter === "L") this.#at++;
        if (letter === "P") this.#at += (this.#u8() & 7) === 3 ? 4 : 8;
      }
      this.#at = behind;
    }
    return {
      codeAlignment,
      dataAlignment,
      returnRegister,
      encoding,
      isSignalFrame: augmentation.includes("S"),
      hasData: augmentation.startsWith("z"),
      instructions: [this.#at, end],
    };
  }

  #readFde(cie: NaiveCie, end: number): NaiveFde {
    const pointerAt = this.#address + this.#at;
    const isShort = cie.encoding === 0x1b;
    const start = isShort
      ? pointerAt + this.#view.getInt32(this.#at, true)
      : Number(this.#view.getBigUint64(this.#at, true));
    this.#at += isShort ? 4 : 8;
    const byteCount = isShort
      ? this.#view.getUint32(this.#at, true)
      : Number(this.#view.getBigUint64(this.#at, true));
    this.#at += isShort ? 4 : 8;
    const dataBytes = cie.hasData ? this.#uleb() : 0;
    this.#at += dataBytes;
    const { isSignalFrame } = cie;
    return { start, end: start + byteCount, isSignalFrame, cie, instructions: [this.#at, end] };
  }

  #stateAt(fde: NaiveFde, address: number): NaiveState {
    const state: NaiveState = { cfa: { register: 0, offset: 0 }, rules: new Map() };
    this.#run(state, fde.cie, { range: fde.cie.instructions, from: 0, to: 1 });
    const initial = new Map(state.rules);
    this.#run(state, fde.cie, {
      range: fde.instructions,
      from: fde.start,
      to: address,
      initial,
    });
    return state;
  }

  #run(
    state: NaiveState,
    cie: NaiveCie,
    run: {
      range: readonly [number, number];
      from: number;
      to: number;
      initial?: ReadonlyMap<number, NaiveRule>;
    },
  ): void {
    const remembered: NaiveState[] = [];
    let location = run.from;
    this.#at = run.range[0];
    while (this.#at < run.range[1] && location <= run.to) {
      const byte = this.#u8();
      const low = byte & 0x3f;
      if (byte >> 6 === 1) location += low * cie.codeAlignment;
      else if (byte >> 6 === 2) state.rules.set(low, { at: this.#uleb() * cie.dataAlignment });
      else if (byte >> 6 === 3) restore(low);
      else if (byte === 2) location += this.#u8() * cie.codeAlignment;
      else if (byte === 3) location += (this.#u8() + this.#u8() * 256) * cie.codeAlignment;
      else if (byte === 4) {
        location += this.#view.getUint32(this.#at, true) * cie.codeAlignment;
        this.#at += 4;
      } else if (byte === 6) restore(this.#uleb());
      else if (byte === 10) remembered.push({ cfa: { ...state.cfa }, rules: new Map(state.rules) });
      else if (byte === 11) Object.assign(state, remembered.pop());
      else this.#runRule(state, cie, byte);
    }

    function restore(register: number): void {
      const rule = run.initial?.get(register);
      if (rule === undefined) state.rules.delete(register);
      else state.rules.set(register, rule);
    }
  }

  #runRule(state: NaiveState, cie: NaiveCie, operation: number): void {
    const { rules } = state;
    switch (operation) {
      case 0:
      case 0x2d:
        return;
      case 0x05:
        rules.set(this.#uleb(), { at: this.#uleb() * cie.dataAlignment });
        return;
      case 0x07:
        rules.set(this.#uleb(), "undefined");
        return;
      case 0x08:
        rules.delete(this.#uleb());
        return;
      case 0x09:
        rules.set(this.#uleb(), { register: this.#uleb() });
        return;
      case 0x0c:
        state.cfa = { register: this.#uleb(), offset: this.#uleb() };
        return;
      case 0x0d:
        state.cfa = { register: this.#uleb(), offset: (state.cfa as { offset: number }).offset };
        return;
      case 0x0e:
        (state.cfa as { offset: number }).offset = this.#uleb();
        return;
      case 0x0f:
        state.cfa = { expression: this.#block() };
        return;
      case 0x10:
        rules.set(this.#uleb(), { atExpression: this.#block() });
        return;
      case 0x14:
        rules.set(this.#uleb(), { value: this.#uleb() * cie.dataAlignment });
        return;
      case 0x16:
        rules.set(this.#uleb(), { valueExpression: this.#block() });
        return;
      case 0x2e:
        this.#uleb();
        return;
      default:
        throw new Error(`instruction ${operation}`);
    }
  }

  #evaluate(expression: Uint8Array, machine: NaiveMachine, cfa: bigint | undefined): bigint {
    const stack = cfa === undefined ? [] : [cfa];
    const inner = new LebReader(expression);
    while (inner.at < expression.length) {
      const operation = inner.u8();
      const pop = (): bigint => stack.pop() as bigint;
      if (operation >= 0x70 && operation <= 0x8f) {
        stack.push((machine.register(operation - 0x70) + BigInt(inner.sleb())) & MASK);
      } else if (operation >= 0x30 && operation <= 0x4f) stack.push(BigInt(operation - 0x30));
      else if (operation === 0x06) stack.push(machine.read(pop()));
      else if (operation === 0x1a) stack.push(pop() & pop());
      else if (operation === 0x1e) stack.push((pop() * pop()) & MASK);
      else if (operation === 0x22) stack.push((pop() + pop()) & MASK);
      else if (operation === 0x23) stack.push((pop() + BigInt(inner.uleb())) & MASK);
      else if (operation === 0x24) {
        const shift = pop();
        stack.push((pop() << shift) & MASK);
      } else if (operation === 0x2a) {
        const limit = pop();
        stack.push(pop() >= limit ? 1n : 0n);
      } else throw new Error(`operation ${operation}`);
    }
    return stack.at(-1) as bigint;
  }

  #block(): Uint8Array {
    const length = this.#uleb();
    const block = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return block;
  }

  #u8(): number {
    return this.#bytes[this.#at++] as number;
  }

  #uleb(): number {
    const inner = new LebReader(this.#bytes, this.#at);
    const value = inner.uleb();
    this.#at = inner.at;
    return value;
  }

  #sleb(): number {
    const inner = new LebReader(this.#bytes, this.#at);
    const value = inner.sleb();
    this.#at = inner.at;
    return value;
  }
}

class LebReader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  u8(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new RangeError("the bytes end");
    return byte;
  }

  uleb(): number {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(value);
    }
  }

  sleb(): number {
    let value = 0n;
    for (let shift = 0n; ; ) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return Number(BigInt.asIntN(Number(shift), value));
    }
  }
}
