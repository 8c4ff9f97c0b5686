/**
 * Threads of the runtime for what the system answers by waiting: files, the store, names of hosts. Half of them may ask for
 * names, and a name whose server does not answer holds one for ten seconds and more. To be imported before anything that uses
 * one: their number is read once. With 16 of them W1 lost a seventh of its runs on two processors, with 8 nothing that shows.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '8';
