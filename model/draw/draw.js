// Shows what a hand draws or a picture holds, asks the network for it, and moves the answer along.

const PEN = 36  // pixels of the sheet: about as broad, for a digit that fills most of it, as in MNIST
const SENT = 280  // pixels of a side: with twice as many an answer takes almost three times as long
const GONE = "the network does not answer; start it again: python -m model.draw"
const EMPTY = "Draw, and the answer is here."
const BLANK = { strokes: [], picture: null }

const find = id => document.getElementById(id)
const pad = find("pad"), ink = pad.getContext("2d"), seen = find("seen").getContext("2d")
const small = Object.assign(document.createElement("canvas"), { width: SENT, height: SENT })
const rows = [...find("bars").rows]

let sheets = [BLANK]  // the last is the one to be seen; the others are what undo goes back to
let stroke = null  // the points of the one that is being drawn
let asking = false, changed = false

// --- what is on the sheet

const sheet = () => sheets.at(-1)

function turnTo(next) {
  stroke = null
  sheets.push(next)
  refresh()
}

function undo() {
  stroke = null
  if (sheets.length > 1) sheets.pop()
  refresh()
}

async function open(files) {
  const [file] = files
  if (!file) return
  const bitmap = await createImageBitmap(file).catch(() => null)  // a TIFF, say, which only the network can read
  turnTo({ strokes: [], picture: { file, bitmap } })
}

function paint() {
  const { strokes, picture } = sheet(), { width, height } = pad
  ink.fillStyle = "#fff"
  ink.fillRect(0, 0, width, height)
  if (picture?.bitmap) {
    const scale = Math.min(width / picture.bitmap.width, height / picture.bitmap.height)
    const [w, h] = [scale * picture.bitmap.width, scale * picture.bitmap.height]
    ink.drawImage(picture.bitmap, (width - w) / 2, (height - h) / 2, w, h)
  } else if (picture) {
    ink.fillStyle = "#5b6670"
    ink.font = "26px system-ui, sans-serif"
    ink.textAlign = "center"
    ink.fillText("This browser can't show the picture.", width / 2, height / 2, width)
  }
  strokes.forEach(trace)
}

// A curve through the middles between points, so that a fast hand draws no corners.
function trace(points) {
  ink.lineWidth = PEN
  ink.lineCap = ink.lineJoin = "round"
  ink.strokeStyle = "#111"
  ink.beginPath()
  ink.moveTo(...points[0])
  points.slice(1).forEach(([x, y], before) => {
    const [fromX, fromY] = points[before]
    ink.quadraticCurveTo(fromX, fromY, (fromX + x) / 2, (fromY + y) / 2)
  })
  ink.lineTo(...points.at(-1))
  ink.stroke()
}

// --- what the network says of it

// Asks again only once an answer is there, so that no questions pile up.
async function refresh() {
  paint()
  changed = true
  if (asking) return
  asking = true
  find("answer").ariaBusy = "true"  // read out once the pen rests
  while (changed) {
    changed = false
    show(await answer(sheet()))
  }
  asking = false
  find("answer").ariaBusy = String(stroke !== null)
}

async function answer(of) {
  if (of === BLANK) return {}
  try {
    const body = of.picture?.file ?? await drawing()
    const response = await fetch("answer", { method: "POST", body })
    return response.ok ? await response.json() : { error: `${GONE} (${response.status})` }
  } catch {
    return { error: GONE }
  }
}

// The sheet as a PNG file.
function drawing() {
  small.getContext("2d").drawImage(pad, 0, 0, SENT, SENT)
  return new Promise(resolve => small.toBlob(resolve))
}

function show({ digit = null, probabilities, error, seen: levels }) {
  find("digit").textContent = digit === null ? "" : rows[digit].cells[0].textContent
  find("said").textContent = error ?? (digit === null ? EMPTY : percent(probabilities[digit]))
  rows.forEach((row, index) => {
    const share = probabilities?.[index] ?? 0
    row.classList.toggle("best", index === digit)
    row.querySelector(".bar").style.width = `${100 * share}%`
    row.cells[2].textContent = probabilities ? percent(share) : ""
  })
  const image = seen.createImageData(28, 28)
  levels?.flat().forEach((level, index) => image.data.set([level, level, level, 255], 4 * index))
  seen.putImageData(image, 0, 0)
}

const percent = share => `${(100 * share).toFixed(1)} %`

// --- the hand

function place({ clientX, clientY }) {
  const box = pad.getBoundingClientRect()
  return [(clientX - box.left) * pad.width / box.width, (clientY - box.top) * pad.height / box.height]
}

pad.addEventListener("pointerdown", event => {
  if (!event.isPrimary || event.button !== 0) return  // a second finger, another button
  pad.setPointerCapture(event.pointerId)
  const points = [place(event)]
  turnTo({ strokes: [...sheet().strokes, points], picture: null })
  stroke = points
})
pad.addEventListener("pointermove", event => {
  if (!stroke || !event.isPrimary) return
  const passed = event.getCoalescedEvents?.() ?? []
  stroke.push(...(passed.length ? passed : [event]).map(place))
  refresh()
})
for (const end of ["pointerup", "pointercancel"]) {
  pad.addEventListener(end, event => {
    if (!stroke || !event.isPrimary) return
    stroke = null
    refresh()
  })
}

find("undo").addEventListener("click", undo)
find("clear").addEventListener("click", () => turnTo(BLANK))
find("choose").addEventListener("click", () => find("file").click())
find("file").addEventListener("change", event => {
  open(event.target.files)
  event.target.value = ""  // so that the same file can be chosen again
})
addEventListener("keydown", event => {
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") {
    event.preventDefault()
    undo()
  }
})
addEventListener("paste", event => open(event.clipboardData.files))
addEventListener("drop", event => {
  event.preventDefault()
  open(event.dataTransfer.files)
})
addEventListener("dragover", event => event.preventDefault())  // or the browser would leave for the picture
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, () => document.body.classList.toggle("dropping", kind === "dragover"))
}

refresh()
