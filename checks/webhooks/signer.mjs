// Signs and verifies with the official Node libraries, one JSON request a line on stdin, one JSON answer a line on stdout.
import readline from "node:readline";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

const stripe = new Stripe("sk_test_unused");

const does = {
  stripe_sign: ({ payload, secret, timestamp }) => stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }),
  stripe_verify: ({ payload, secret, header }) => stripe.webhooks.constructEvent(payload, header, secret).id,
  standard_sign: ({ payload, secret, id, timestamp }) => new Webhook(secret).sign(id, new Date(timestamp * 1000), payload),
  standard_verify: ({ payload, secret, headers }) => new Webhook(secret).verify(payload, headers) && "ok",
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { what, ...asked } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: does[what](asked) };
  } catch (error) {
    answer = { refused: `${error.name}: ${error.message}` };
  }
  console.log(JSON.stringify(answer));
}
