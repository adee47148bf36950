// The page: a map of rows, a point that is decoded, and controls. All text is set as text.
function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (tag, settings = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), settings);
    element.append(...children);
    return element;
  };
  const decode = Decoder.compile(data.program);
  const Z = Decoder.read(data.embedding), d = data.n_components, n = data.n_shown;
  const { centre, basis } = data.plane;
  const codes = data.labels ? Decoder.read(data.labels.codes) : null;

  // state
  const z = new Float64Array(d);
  const ends = { from: null, to: null };
  let row = 0, hovered = -1, chosenClass = -1, playing = 0, stale = true, staleMap = true;
  let colours = {};

  const latent = (i) => Array.from(Z.subarray(i * d, (i + 1) * d));
  const project = (point, axis) => {
    let sum = 0;
    for (let k = 0; k < d; k++) sum += basis[axis][k] * (point[k] - centre[k]);
    return sum;
  };
  /** A place that only depends on the number of the row, for a map of one dimension. */
  const jitter = (i) => ((i * 0.618034) % 1) * 2 - 1;
  const places = Float64Array.from({ length: 2 * n }, (_, k) => {
    const i = k >> 1;
    return k & 1 && d === 1 ? jitter(i) : project(latent(i), k & 1);
  });

  // the frame of the map
  const view = (() => {
    const sides = [0, 1].map((axis) => {
      const values = [];
      for (let i = 0; i < n; i++) values.push(places[2 * i + axis]);
      const low = Math.min(...values), high = Math.max(...values);
      return { middle: (low + high) / 2, half: Math.max((high - low) / 2, 1e-6) * 1.12 };
    });
    if (d > 1) sides[0].half = sides[1].half = Math.max(sides[0].half, sides[1].half);
    return sides;
  })();
  const map = $("map"), stage = $("stage"), layer = document.createElement("canvas");
  let width = 1, height = 1, ratio = 1;
  const toPixel = (u, axis) => axis === 0
    ? ((u - view[0].middle) / view[0].half + 1) / 2 * width
    : (1 - (u - view[1].middle) / view[1].half) / 2 * height;
  const toPlace = (pixel, axis) => axis === 0
    ? (pixel / width * 2 - 1) * view[0].half + view[0].middle
    : (1 - pixel / height * 2) * view[1].half + view[1].middle;
  let height1 = 0; // of the point on a map of one dimension

  const cursor = () => [project(z, 0), d === 1 ? height1 : project(z, 1)];

  function nearest(u, v, reach = Infinity) {
    let best = -1, least = reach * reach;
    const x = toPixel(u, 0), y = toPixel(v, 1);
    for (let i = 0; i < n; i++) {
      const dx = toPixel(places[2 * i], 0) - x, dy = toPixel(places[2 * i + 1], 1) - y;
      const square = dx * dx + dy * dy;
      if (square < least) { least = square; best = i; }
    }
    return best;
  }

  // changes of the point
  function changed() {
    row = nearest(...cursor());
    stale = true;
  }
  function goTo(point) {
    z.set(point);
    changed();
  }
  function goToRow(i) {
    height1 = places[2 * i + 1];
    goTo(latent(i));
  }
  function moveTo(u, v) {
    const [u0, v0] = cursor();
    for (let k = 0; k < d; k++) z[k] += basis[0][k] * (u - u0);
    if (d === 1) height1 = v;
    else for (let k = 0; k < d; k++) z[k] += basis[1][k] * (v - v0);
    changed();
  }

  // names
  const nameOf = (i) => {
    const label = data.labels && data.labels.texts[codes[i]];
    const number = `row ${data.numbers[i].toLocaleString("en")}`;
    return label === undefined || label === null ? number : `${number} · ${label}`;
  };

  // the map
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["paper", "card", "ink", "quiet", "line", "accent", "glow", "mark"]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }
  const colourOf = (code) => {
    const colour = data.labels.palette[code];
    return colour === "ink" ? colours.ink : colour;
  };

  /** Draw how many rows there are around every place, as a smooth histogram. */
  function drawDensity(context) {
    const size = 72, bandwidth = 2.2, counts = new Float64Array(size * size);
    for (let i = 0; i < n; i++) {
      const x = Math.floor(toPixel(places[2 * i], 0) / width * size);
      const y = Math.floor(toPixel(places[2 * i + 1], 1) / height * size);
      if (x >= 0 && y >= 0 && x < size && y < size) counts[y * size + x]++;
    }
    const reach = 7, weights = [];
    for (let k = -reach; k <= reach; k++) weights.push(Math.exp(-0.5 * (k / bandwidth) ** 2));
    const blurred = (from, step) => {
      const to = new Float64Array(size * size);
      for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
        for (let k = -reach; k <= reach; k++) {
          const at = step === 1 ? x + k : y + k;
          if (at >= 0 && at < size) to[y * size + x] += weights[k + reach] * from[y * size + x + k * step];
        }
      }
      return to;
    };
    const density = blurred(blurred(counts, 1), size);
    const top = density.reduce((a, b) => Math.max(a, b), 1e-9);
    const image = new ImageData(size, size), glow = colours.glow.split(",").map(Number);
    for (let i = 0; i < density.length; i++) {
      image.data.set([...glow, 70 * Math.sqrt(density[i] / top)], 4 * i);
    }
    const small = make("canvas", { width: size, height: size });
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, width, height);
  }

  function drawLayer() {
    layer.width = width * ratio;
    layer.height = height * ratio;
    const context = layer.getContext("2d");
    context.scale(ratio, ratio);
    context.fillStyle = colours.card;
    context.fillRect(0, 0, width, height);
    drawDensity(context);
    const radius = Math.min(4, Math.max(1.6, 90 / Math.sqrt(n) * width / 600));
    for (let pass = 0; pass < 2; pass++) for (let i = 0; i < n; i++) {
      const code = codes ? codes[i] : 0, faded = chosenClass >= 0 && code !== chosenClass;
      if (faded !== (pass === 0)) continue;
      context.globalAlpha = faded ? 0.12 : 0.8;
      context.fillStyle = codes ? colourOf(code) : colours.quiet;
      context.beginPath();
      context.arc(toPixel(places[2 * i], 0), toPixel(places[2 * i + 1], 1), radius, 0, 7);
      context.fill();
    }
  }

  function drawMap() {
    const context = map.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(layer, 0, 0);
    context.scale(ratio, ratio);
    if (ends.from && ends.to) {
      const at = [ends.from, ends.to].map(({ point, v }) => [
        toPixel(project(point, 0), 0), toPixel(d === 1 ? v : project(point, 1), 1)]);
      context.strokeStyle = colours.accent;
      context.lineWidth = 1.5;
      context.setLineDash([5, 4]);
      context.beginPath();
      at.forEach(([x, y]) => context.lineTo(x, y));
      context.stroke();
      context.setLineDash([]);
      for (const [x, y] of at) ring(context, x, y, 4, colours.accent, colours.card);
    }
    const i = hovered >= 0 ? hovered : row;
    ring(context, toPixel(places[2 * i], 0), toPixel(places[2 * i + 1], 1), 6, colours.ink);
    const [u, v] = cursor();
    ring(context, toPixel(u, 0), toPixel(v, 1), 8, colours.card, colours.accent);
  }
  function ring(context, x, y, radius, stroke, fill) {
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    if (fill) { context.fillStyle = fill; context.fill(); }
    context.lineWidth = 2;
    context.strokeStyle = stroke;
    context.stroke();
  }

  // what is decoded, beside a row
  const makeView = { image: imageView, line: lineView, table: tableView };

  function imageView() {
    const [h, w, colour] = data.image.shape, { low, high } = data.image;
    const figure = (label) => {
      const canvas = make("canvas", { width: w, height: h, className: "pixels" });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", label);
      const caption = make("figcaption");
      return { canvas, caption, figure: make("figure", {}, canvas, caption) };
    };
    const decoded = figure("Decoded image"), shown = figure("Image of a row");
    decoded.caption.textContent = "decoded";
    $("views").append(make("div", { className: "pictures" }, decoded.figure, shown.figure));
    const context = decoded.canvas.getContext("2d"), pixels = context.createImageData(w, h);
    const sprite = new Image();
    sprite.onload = () => { stale = true; };
    sprite.src = data.image.sprite;
    const scale = 255 / (high - low || 1);
    return (values, i) => {
      for (let p = 0; p < w * h; p++) {
        for (let c = 0; c < 3; c++) {
          pixels.data[4 * p + c] = (values[colour ? 3 * p + c : p] - low) * scale;
        }
        pixels.data[4 * p + 3] = 255;
      }
      context.putImageData(pixels, 0, 0);
      const x = i % data.image.columns, y = Math.floor(i / data.image.columns);
      shown.canvas.getContext("2d").drawImage(sprite, x * w, y * h, w, h, 0, 0, w, h);
      shown.caption.textContent = nameOf(i);
    };
  }

  function lineView() {
    const rows = Decoder.read(data.line.rows), { low, high, n_features } = data.line, gap = 65535;
    const canvas = make("canvas", { className: "curve" });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "Decoded curve and the curve of a row");
    const caption = make("figcaption"), axis = make("div", { className: "quiet" });
    axis.textContent = `${data.line.names[0]} to ${data.line.names[1]}, ${low.toPrecision(3)} to ${high.toPrecision(3)}`;
    $("views").append(make("figure", {}, canvas, caption, axis));
    return (values, i) => {
      const scale = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
      canvas.width = w * scale;
      canvas.height = h * scale;
      const context = canvas.getContext("2d"), margin = 8;
      context.scale(scale, scale);
      const draw = (value, colour, thickness) => {
        context.strokeStyle = colour;
        context.lineWidth = thickness;
        context.beginPath();
        let joined = false;
        for (let j = 0; j < n_features; j++) {
          const share = value(j);
          if (Number.isNaN(share)) { joined = false; continue; }
          const x = margin + j / Math.max(n_features - 1, 1) * (w - 2 * margin);
          const y = h - margin - share * (h - 2 * margin);
          if (joined) context.lineTo(x, y); else context.moveTo(x, y);
          joined = true;
        }
        context.stroke();
      };
      draw((j) => {
        const value = rows[i * n_features + j];
        return value === gap ? NaN : value / (gap - 1);
      }, colours.mark, 1.5);
      draw((j) => (values[j] - low) / (high - low || 1), colours.accent, 2);
      caption.textContent = `decoded, and in grey ${nameOf(i)}`;
    };
  }

  function tableView() {
    const rows = Decoder.read(data.table.rows), columns = data.table.columns;
    const list = make("div", { className: "columns", tabIndex: 0 });
    list.setAttribute("role", "group");
    list.setAttribute("aria-label", "Decoded values by column");
    const caption = make("p", { className: "quiet" });
    const updates = columns.map((column) => {
      const value = make("span", { className: "value" });
      const [bar, update] = column.kind === "level" ? levelBar(column, value) : numberBar(column, value);
      const label = make("span", { className: "label", textContent: column.name, title: column.name });
      list.append(make("div", { className: "column" }, label, bar, value));
      return update;
    });
    $("views").append(list, caption);
    return (values, i) => {
      updates.forEach((update, j) => update(values, rows[i * columns.length + j]));
      caption.textContent = `Bars: decoded. Marks and values in brackets: ${nameOf(i)}.`;
    };
  }

  function format(column, value) {
    if (Number.isNaN(value)) return "missing";
    if (column.kind === "datetime") {
      const date = new Date(value * column.scale + column.origin);
      if (Number.isNaN(date.getTime())) return "–";
      return date.toISOString().slice(0, column.scale >= 86400000 ? 10 : 16).replace("T", " ");
    }
    const shifted = value + column.origin;
    const text = column.digits >= 0
      ? shifted.toLocaleString("en", {
        minimumFractionDigits: Number.isInteger(shifted) ? 0 : column.digits,
        maximumFractionDigits: column.digits,
      })
      : shifted.toPrecision(4);
    return column.unit ? `${text} ${column.unit}` : text;
  }

  function numberBar(column, text) {
    const bar = make("b"), mark = make("u"), { low, high, at } = column;
    const share = (value) => 100 * Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
    const small = make("small"), main = document.createTextNode("");
    text.append(main, " ", small);
    return [make("div", { className: "bar" }, bar, mark), (values, own) => {
      bar.style.width = `${share(values[at])}%`;
      mark.hidden = Number.isNaN(own);
      mark.style.left = `calc(${share(own)}% - 1px)`;
      main.data = format(column, values[at]);
      small.textContent = `(${format(column, own)})`;
    }];
  }

  function levelBar(column, text) {
    const { levels, at } = column, bar = make("div", { className: "levels" });
    bar.setAttribute("role", "img");
    const parts = levels.map((level, k) => {
      const part = make("s", { title: level });
      part.style.opacity = 1 - 0.75 * (k / Math.max(levels.length - 1, 1));
      bar.append(part);
      return part;
    });
    const small = make("small"), main = document.createTextNode("");
    text.append(main, " ", small);
    return [bar, (values, own) => {
      let best = 0;
      for (let k = 0; k < levels.length; k++) {
        parts[k].style.width = `${100 * values[at + k]}%`;
        if (values[at + k] > values[at + best]) best = k;
      }
      main.data = `${levels[best]} ${Math.round(100 * values[at + best])} %`;
      small.textContent = `(${Number.isNaN(own) ? "missing" : levels[own] ?? "unseen"})`;
      bar.setAttribute("aria-label", main.data);
      text.title = levels.map((level, k) => `${level} ${Math.round(100 * values[at + k])} %`).join(", ");
    }];
  }

  const show = makeView[data.kind]();

  // sliders
  const sliders = data.order.map((k) => {
    let reach = 3;
    for (let i = 0; i < n; i++) reach = Math.max(reach, 1.1 * Math.abs(Z[i * d + k]));
    const input = make("input", { type: "range", min: -reach, max: reach, step: reach / 300, id: `z${k}` });
    const value = make("output", { htmlFor: `z${k}` });
    input.addEventListener("input", () => { stop(); z[k] = Number(input.value); changed(); });
    const element = make("div", { className: "dimension" },
      make("label", { htmlFor: `z${k}`, textContent: `z${k}` }), input, value);
    return { k, input, value, element };
  });
  const FIRST = 8;
  $("sliders").append(make("div", { className: "dimensions" }, ...sliders.slice(0, FIRST).map((s) => s.element)));
  if (d > FIRST) {
    $("sliders").append(make("details", {},
      make("summary", { textContent: `${d - FIRST} more, of smaller spread` }),
      make("div", { className: "dimensions" }, ...sliders.slice(FIRST).map((s) => s.element))));
  }

  // from row to row
  const along = $("along");
  function setEnd(which, point, v, name) {
    ends[which] = { point, v };
    $(which).textContent = `${which === "from" ? "Start" : "End"}: ${name}`;
    $(which).title = "Set to the present point";
    stale = true;
  }
  const hereName = () => {
    const own = latent(row);
    return own.every((value, k) => Math.abs(value - z[k]) < 1e-6) ? nameOf(row) : "a point";
  };
  for (const which of ["from", "to"]) {
    $(which).addEventListener("click", () => setEnd(which, Array.from(z), cursor()[1], hereName()));
  }
  function follow(share) {
    const { from, to } = ends;
    height1 = from.v + share * (to.v - from.v);
    goTo(from.point.map((value, k) => value + share * (to.point[k] - value)));
  }
  along.addEventListener("input", () => { stop(); follow(Number(along.value)); });
  function stop() {
    playing = 0;
    $("play").setAttribute("aria-pressed", "false");
    $("play").textContent = "Play";
  }
  $("play").addEventListener("click", () => {
    if (playing) return stop();
    playing = performance.now();
    $("play").setAttribute("aria-pressed", "true");
    $("play").textContent = "Pause";
  });

  // legend
  function makeLegend() {
    if (!data.labels) return;
    const { name, texts, palette, scale } = data.labels, legend = $("legend");
    if (name) legend.append(make("span", { className: "quiet name", textContent: name }));
    if (scale) {
      const canvas = make("canvas", { width: palette.length, height: 1 });
      const context = canvas.getContext("2d");
      palette.forEach((colour, k) => { context.fillStyle = colour; context.fillRect(k, 0, 1, 1); });
      legend.append(make("span", { className: "quiet", textContent: scale[0] }), canvas,
        make("span", { className: "quiet", textContent: scale[1] }));
      return;
    }
    const buttons = texts.map((text, code) => {
      const dot = make("i");
      dot.style.background = palette[code] === "ink" ? "currentColor" : palette[code];
      const button = make("button", { type: "button" }, dot, text);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        chosenClass = chosenClass === code ? -1 : code;
        buttons.forEach((other, k) => other.setAttribute("aria-pressed", String(k === chosenClass)));
        staleMap = true;
      });
      return button;
    });
    legend.append(...buttons);
  }

  // pointer and keys
  const placeOf = (event) => {
    const box = map.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let dragging = false;
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    dragging = true;
    stop();
    const [x, y] = placeOf(event), u = toPlace(x, 0), v = toPlace(y, 1), i = nearest(u, v, 9);
    if (i >= 0) goToRow(i); else moveTo(u, v);
  });
  map.addEventListener("pointermove", (event) => {
    const [x, y] = placeOf(event), u = toPlace(x, 0), v = toPlace(y, 1);
    if (dragging && event.buttons) {
      hovered = -1;
      moveTo(u, v);
    } else {
      hover(nearest(u, v, 12), x, y);
    }
  });
  const release = () => { dragging = false; announce(); };
  map.addEventListener("pointerup", release);
  map.addEventListener("pointercancel", release);
  map.addEventListener("pointerleave", () => hover(-1));
  function hover(i, x = 0, y = 0) {
    if (i !== hovered) { hovered = i; stale = true; }
    const tip = $("tip");
    tip.hidden = i < 0;
    if (i < 0) return;
    tip.textContent = nameOf(i);
    tip.style.left = `${Math.min(x + 12, width - tip.offsetWidth - 6)}px`;
    tip.style.top = `${Math.max(y - 30, 6)}px`;
  }
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  map.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step) {
      const size = (event.shiftKey ? 0.1 : 0.02), [u, v] = cursor();
      stop();
      moveTo(u + step[0] * size * view[0].half, v + step[1] * size * view[1].half);
    } else if (event.key === "Enter") {
      stop();
      goToRow(row);
    } else {
      return;
    }
    event.preventDefault();
    announce();
  });
  let waiting = 0;
  function announce() {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const [u, v] = cursor();
      $("live").textContent = `Point at ${u.toFixed(2)}, ${v.toFixed(2)}; nearest is ${nameOf(row)}.`;
    }, 400);
  }

  // one picture per frame of the screen, if something changed
  function frame(now) {
    if (playing) {
      const phase = ((now - playing) / 2500) % 2;
      const share = Math.max(0, phase > 1 ? 2 - phase : phase);
      along.value = share;
      follow(share);
    }
    if (staleMap) { readColours(); drawLayer(); staleMap = false; stale = true; }
    if (stale) {
      stale = false;
      const begin = performance.now();
      show(decode(z), hovered >= 0 ? hovered : row);
      for (const { k, input, value } of sliders) {
        input.value = z[k];
        value.textContent = z[k].toFixed(2);
      }
      drawMap();
      const end = performance.now();
      Object.assign(window.explorer, { work: end - begin, drawn: window.explorer.drawn || end });
    }
    requestAnimationFrame(frame);
  }
  function resize() {
    width = stage.clientWidth;
    height = stage.clientHeight;
    ratio = window.devicePixelRatio || 1;
    map.width = width * ratio;
    map.height = height * ratio;
    staleMap = true;
  }

  $("summary").textContent = data.summary;
  $("axes").append(...data.plane.names.map((name, k) => make("span", { textContent: `${"→↑"[k]} ${name}` })));
  makeLegend();
  resize();
  new ResizeObserver(resize).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { staleMap = true; });
  setEnd("from", latent(data.ends[0]), places[2 * data.ends[0] + 1], nameOf(data.ends[0]));
  setEnd("to", latent(data.ends[1]), places[2 * data.ends[1] + 1], nameOf(data.ends[1]));
  goToRow(data.ends[0]);
  window.explorer = { decode: (point) => Array.from(decode(point)), z, rows: places, toPixel };
  requestAnimationFrame(frame);
}

// after the first paint, so that the page is there at once
requestAnimationFrame(() => setTimeout(start));
