/** Started by proxied.ts: sends one request by the egress client and one by Node's own, and prints the answers. */
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import { bodyOf, requestFor, ruleFor } from './ask.ts';

const port = Number(process.argv[2]);
const client = openEgressClient({ resolve: async () => ['127.0.0.1'] });
console.log(bodyOf(await client.send(requestFor(ruleFor(port)))));
await client.close();
console.log(await (await fetch(`http://api.test:${port}/`)).text());
