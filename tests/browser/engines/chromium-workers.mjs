/**
 * The shared workers of a browser, which page-level tools do not show: which there are, and what goes wrong in them.
 */

/**
 * Notes what shared workers say, and every uncaught exception in one as a problem.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {{problems: string[], said: string[]}} notes
 * @returns {Promise<{urls: () => Promise<string[]>, kill: () => Promise<void>}>}
 */
export async function watchWorkers(browser, { problems, said }) {
  const session = await browser.newBrowserCDPSession();
  const watched = new Set();

  const say = (sessionId, id, method) =>
    session.send('Target.sendMessageToTarget', {
      sessionId,
      message: JSON.stringify({ id, method }),
    });
  const watch = async ({ targetId, type }) => {
    if (type !== 'shared_worker' || watched.has(targetId)) return;
    watched.add(targetId);
    try {
      // Not flattened: the messages of a flat session would not be handed to us.
      const { sessionId } = await session.send('Target.attachToTarget', {
        targetId,
        flatten: false,
      });
      await say(sessionId, 1, 'Runtime.enable');
    } catch {
      // It is gone already.
    }
  };
  session.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
    const { method, params } = JSON.parse(message);
    // A worker that starts again under a debugger waits for it.
    if (method === 'Inspector.targetReloadedAfterCrash')
      say(sessionId, 2, 'Runtime.runIfWaitingForDebugger').catch(() => {});
    if (method === 'Runtime.exceptionThrown') {
      const { text, exception } = params.exceptionDetails;
      problems.push(`in the worker: ${text} ${exception?.description ?? ''}`);
    }
    if (method === 'Runtime.consoleAPICalled') {
      const words = params.args.map(({ value, description }) => value ?? description);
      said.push(`worker, ${params.type}: ${words.join(' ')}`);
    }
  });
  session.on('Target.targetCreated', ({ targetInfo }) => watch(targetInfo));
  await session.send('Target.setDiscoverTargets', {
    discover: true,
    filter: [{ type: 'shared_worker' }],
  });

  const targets = async () => {
    const { targetInfos } = await session.send('Target.getTargets', {
      filter: [{ type: 'shared_worker' }],
    });
    return targetInfos;
  };
  return {
    urls: async () => (await targets()).map(({ url }) => url),
    kill: async () => {
      for (const { targetId } of await targets())
        await session.send('Target.closeTarget', { targetId });
    },
  };
}
