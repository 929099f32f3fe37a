// A program that is told what to do: one order a line on stdin, one answer a line on stdout.
import readline from 'node:readline';

async function answer(id, work) {
  let result;
  try {
    result = { id, value: await work() };
  } catch (error) {
    result = { id, error: error.code ?? error.message };
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

// Carries out the named handlers, several at a time; ends with stdin.
export function obey(handlers) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const { id, name, order } = JSON.parse(line);
    answer(id, () => handlers[name](order));
  });
  lines.on('close', () => process.exit());
}
