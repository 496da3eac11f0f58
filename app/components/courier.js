// Messages to Python: at most one under way; while it is, the newest waits, and those before it are forgotten.

const PATIENCE = 5000;                              // ms after which a message counts as lost with its connection

export function courier(deliver) {
  let waiting = null, underWay = null, sequence = 0, timer = 0;

  function flush() {
    if (!waiting || underWay) return;
    underWay = { ...waiting, sequence: ++sequence };
    waiting = null;
    timer = setTimeout(again, PATIENCE);
    deliver(underWay);
  }
  function again() {
    waiting ??= underWay;
    underWay = null;
    flush();
  }
  return {
    send(message) {
      waiting = message;
      flush();
    },
    // Python has dealt with the message of this number; after a reload it may know later numbers than we do.
    acknowledge(number) {
      sequence = Math.max(sequence, number);
      if (underWay && number >= underWay.sequence) {
        clearTimeout(timer);
        underWay = null;
      }
      flush();
    },
    get idle() { return !waiting && !underWay; },
    stop() { clearTimeout(timer); },
  };
}
