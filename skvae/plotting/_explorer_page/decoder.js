// Runs the program of a decoder: a list of operations on flat arrays, one after another.
"use strict";

const Decoder = (() => {
  const READERS = {
    f2: halves, f4: Float32Array, f8: Float64Array, i4: Int32Array, u1: Uint8Array, u2: Uint16Array,
  };

  /** Return the array that a constant holds as base64. */
  function read({ type, data }) {
    const binary = atob(data), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    const reader = READERS[type];
    return type === "f2" ? reader(new Uint16Array(bytes.buffer)) : new reader(bytes.buffer);
  }

  let table = null; // of all numbers in half precision

  /** Return numbers in half precision (IEEE 754) in single precision. */
  function halves(bits) {
    table = table || Float32Array.from({ length: 65536 }, (_, code) => {
      const sign = code >> 15 ? -1 : 1, exponent = (code >> 10) & 31, rest = code & 1023;
      return exponent === 0
        ? sign * rest * 2 ** -24
        : sign * (1 + rest / 1024) * 2 ** (exponent - 15);
    });
    return Float32Array.from(bits, (code) => table[code]);
  }

  /** Return a function of a latent vector that runs the program and returns its last array. */
  function compile(program) {
    const constants = program.constants.map(read), values = [];
    const steps = program.ops.map((op) => {
      const given = { ...op };
      for (const key of ["w", "b", "index", "mask", "value", "table"]) {
        if (key in op) given[key] = constants[op[key]];
      }
      const out = op.op === "constant" ? given.value
        : op.f64 ? new Float64Array(op.n) : new Float32Array(op.n);
      values.push(out);
      const inputs = (op.in || []).map((number) => values[number]);
      return STEPS[op.op](given, out, inputs) || null;
    });
    return (z) => {
      values[0].set(z);
      for (const step of steps) if (step) step();
      return values[program.output];
    };
  }

  const map = (f) => (op, out, [x]) => {
    const g = f.length > 1 ? (v) => f(v, op) : f;
    return () => { for (let i = 0; i < out.length; i++) out[i] = g(x[i]); };
  };
  const pair = (f) => (op, out, [x, y]) => {
    const alpha = op.alpha ?? 1;
    return () => { for (let i = 0; i < out.length; i++) out[i] = f(x[i], y[i] * alpha); };
  };
  const reduce = (f) => (op, out, [x]) => () => {
    for (let i = 0; i < out.length; i++) out[i] = f(x, i * op.size, (i + 1) * op.size);
  };

  function erf(x) { // Abramowitz & Stegun (1964), 7.1.26, with an error below 2e-7
    const t = 1 / (1 + 0.3275911 * Math.abs(x));
    const p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t
      + 0.254829592) * t;
    return Math.sign(x) * (1 - p * Math.exp(-x * x));
  }
  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  function gelu(x, op) {
    if (op.tanh) return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
  }
  function roundHalfEven(x) {
    const r = Math.round(x);
    return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
  }

  function largest(x, start, end) {
    let top = -Infinity;
    for (let i = start; i < end; i++) if (x[i] > top) top = x[i];
    return top;
  }
  function total(x, start, end) {
    let sum = 0;
    for (let i = start; i < end; i++) sum += x[i];
    return sum;
  }
  function logsumexp(x, start, end) {
    const top = largest(x, start, end);
    if (!isFinite(top)) return top;
    let sum = 0;
    for (let i = start; i < end; i++) sum += Math.exp(x[i] - top);
    return top + Math.log(sum);
  }
  function argmax(x, start, end) {
    let best = start;
    for (let i = start + 1; i < end; i++) if (x[i] > x[best]) best = i;
    return best - start;
  }
  const normalized = (finish) => (op, out, [x]) => () => {
    for (let start = 0; start < out.length; start += op.size) {
      const log = logsumexp(x, start, start + op.size);
      for (let i = start; i < start + op.size; i++) out[i] = finish(x[i] - log);
    }
  };

  /** Return the index array of a tensor with permuted or repeated dimensions. */
  function places({ start, digits }, n) {
    const index = new Int32Array(n).fill(start);
    let run = 1;
    for (const [count, step] of digits) {
      for (let i = 0; i < n; i++) index[i] += (Math.floor(i / run) % count) * step;
      run *= count;
    }
    return index;
  }

  function take(op, out, inputs) {
    const starts = [0];
    for (const x of inputs) starts.push(starts[starts.length - 1] + x.length);
    const index = op.index || places(op, out.length);
    if (inputs.length === 1) {
      const [x] = inputs;
      return () => { for (let i = 0; i < out.length; i++) out[i] = x[index[i]]; };
    }
    const all = new (out.constructor)(starts[starts.length - 1]);
    return () => {
      inputs.forEach((x, k) => all.set(x, starts[k]));
      for (let i = 0; i < out.length; i++) out[i] = all[index[i]];
    };
  }

  function linear(op, out, [x]) {
    const { w, b, m, rows } = op, n = out.length / rows;
    return () => {
      for (let row = 0; row < rows; row++) {
        const start = row * m;
        for (let j = 0; j < n; j++) {
          let sum = b ? b[j] : 0;
          for (let i = 0, k = j * m; i < m; i++, k++) sum += w[k] * x[start + i];
          out[row * n + j] = sum;
        }
      }
    };
  }

  /** Call with the first and last place of an image that a step of the kernel reaches. */
  function reach(size, other, offset, stride) {
    return [
      Math.max(0, Math.ceil(-offset / stride)),
      Math.min(size - 1, Math.floor((other - 1 - offset) / stride)),
    ];
  }

  function convolve(op, out, [x]) {
    const [ci, hi, wi] = op.from, [co, ho, wo] = op.to, [kh, kw] = op.kernel;
    return () => {
      for (let o = 0; o < co; o++) out.fill(op.b ? op.b[o] : 0, o * ho * wo, (o + 1) * ho * wo);
      for (let o = 0; o < co; o++) for (let c = 0; c < ci; c++) {
        for (let ky = 0; ky < kh; ky++) for (let kx = 0; kx < kw; kx++) {
          const weight = op.w[((o * ci + c) * kh + ky) * kw + kx];
          const dy = ky * op.dilation[0] - op.padding[0], dx = kx * op.dilation[1] - op.padding[1];
          const [y0, y1] = reach(ho, hi, dy, op.stride[0]), [x0, x1] = reach(wo, wi, dx, op.stride[1]);
          for (let y = y0; y <= y1; y++) {
            let from = (c * hi + y * op.stride[0] + dy) * wi + x0 * op.stride[1] + dx;
            const end = (o * ho + y) * wo + x1;
            for (let to = (o * ho + y) * wo + x0; to <= end; to++, from += op.stride[1]) {
              out[to] += weight * x[from];
            }
          }
        }
      }
    };
  }

  function deconvolve(op, out, [x]) { // weights are (inputs, outputs, height, width)
    const [ci, hi, wi] = op.from, [co, ho, wo] = op.to, [kh, kw] = op.kernel;
    return () => {
      for (let o = 0; o < co; o++) out.fill(op.b ? op.b[o] : 0, o * ho * wo, (o + 1) * ho * wo);
      for (let c = 0; c < ci; c++) for (let o = 0; o < co; o++) {
        for (let ky = 0; ky < kh; ky++) for (let kx = 0; kx < kw; kx++) {
          const weight = op.w[((c * co + o) * kh + ky) * kw + kx];
          const dy = ky * op.dilation[0] - op.padding[0], dx = kx * op.dilation[1] - op.padding[1];
          const [y0, y1] = reach(hi, ho, dy, op.stride[0]), [x0, x1] = reach(wi, wo, dx, op.stride[1]);
          for (let y = y0; y <= y1; y++) {
            let to = (o * ho + y * op.stride[0] + dy) * wo + x0 * op.stride[1] + dx;
            const end = (c * hi + y) * wi + x1;
            for (let from = (c * hi + y) * wi + x0; from <= end; from++, to += op.stride[1]) {
              out[to] += weight * x[from];
            }
          }
        }
      }
    };
  }

  function enlarge(op, out, [x]) {
    const [channels, hi, wi] = op.from, [, ho, wo] = op.to;
    return () => {
      let i = 0;
      for (let c = 0; c < channels; c++) for (let y = 0; y < ho; y++) {
        const row = (c * hi + Math.floor(y * hi / ho)) * wi;
        for (let column = 0; column < wo; column++) out[i++] = x[row + Math.floor(column * wi / wo)];
      }
    };
  }

  function normalize(op, out, [x]) {
    return () => {
      for (let start = 0; start < out.length; start += op.size) {
        const end = start + op.size, mean = total(x, start, end) / op.size;
        let square = 0;
        for (let i = start; i < end; i++) square += (x[i] - mean) ** 2;
        const scale = 1 / Math.sqrt(square / op.size + op.eps);
        for (let i = start; i < end; i++) out[i] = (x[i] - mean) * scale;
      }
    };
  }

  const STEPS = {
    input: () => null,
    constant: () => null,
    take, linear, convolve, deconvolve, enlarge, normalize,
    relu: map((x) => Math.max(x, 0)),
    tanh: map(Math.tanh),
    sigmoid: map(sigmoid),
    exp: map(Math.exp),
    log: map(Math.log),
    log1p: map(Math.log1p),
    expm1: map(Math.expm1),
    sqrt: map(Math.sqrt),
    rsqrt: map((x) => 1 / Math.sqrt(x)),
    neg: map((x) => -x),
    abs: map(Math.abs),
    reciprocal: map((x) => 1 / x),
    silu: map((x) => x * sigmoid(x)),
    mish: map((x) => x * Math.tanh(softplus(x))),
    sin: map(Math.sin),
    cos: map(Math.cos),
    round: map(roundHalfEven),
    floor: map(Math.floor),
    erf: map(erf),
    power: map((x, op) => x ** op.exponent),
    elu: map((x, op) => op.scale * (x > 0 ? x : op.alpha * Math.expm1(x * op.input))),
    gelu: map(gelu),
    leaky: map((x, op) => (x > 0 ? x : op.slope * x)),
    softplus: map((x, op) => softplus(x * op.beta) / op.beta),
    add: pair((x, y) => x + y),
    subtract: pair((x, y) => x - y),
    multiply: pair((x, y) => x * y),
    divide: pair((x, y) => x / y),
    maximum: pair(Math.max),
    minimum: pair(Math.min),
    logaddexp: pair((x, y) => Math.max(x, y) + Math.log1p(Math.exp(-Math.abs(x - y)))),
    less: pair((x, y) => x < y),
    at_least: pair((x, y) => x >= y),
    equal: pair((x, y) => x === y),
    unequal: pair((x, y) => x !== y),
    logical_not: map((x) => !x),
    bitwise_not: map((x) => !x), // of truth values
    isnan: map(Number.isNaN),
    isinf: map((x) => Math.abs(x) === Infinity),
    sign: map(Math.sign),
    choose: (op, out, [mask, x, y]) => () => {
      for (let i = 0; i < out.length; i++) out[i] = mask[i] ? x[i] : y[i];
    },
    where: (op, out, [x, y]) => () => {
      for (let i = 0; i < out.length; i++) out[i] = op.mask[i] ? x[i] : y[i];
    },
    lookup: (op, out, [x]) => () => {
      for (let i = 0; i < out.length; i++) out[i] = op.table[op.index[i] + op.stride * x[i]];
    },
    softmax: normalized(Math.exp),
    logsoftmax: normalized((x) => x),
    logsumexp: reduce(logsumexp),
    sum: reduce(total),
    mean: reduce((x, start, end) => total(x, start, end) / (end - start)),
    largest: reduce(largest),
    argmax: reduce(argmax),
  };

  return { compile, read };
})();
