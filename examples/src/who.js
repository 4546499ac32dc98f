/**
 * Who has the document open: each tab says who it is by ShareDB's presence, on a channel of the page's own, and lists what the
 * others say. A tab that is closed or crashes is taken from the lists by its host, or by the server.
 */
import { becomeSomebody, colourOf, nameOf } from './people.js';

/**
 * @param {HTMLElement} list
 * @param {{connection: object, doc: object}} page
 */
export async function showWho(list, { connection, doc }) {
  const person = await becomeSomebody();
  const presence = connection.getPresence(`people of ${doc.collection}/${doc.id}`);
  const me = presence.create(crypto.randomUUID());
  const draw = () => {
    const others = Object.values(presence.remotePresences).map((other) => other?.person);
    list.replaceChildren(...[person, ...others].map(chip));
  };
  presence.on('receive', draw);
  // Away from the server the list is this tab's own; presence is told again when the server is back.
  const ignore = () => {};
  presence.subscribe(ignore);
  me.submit({ person }, ignore);
  draw();
}

/** The first one is this tab. */
function chip(person, at) {
  const item = document.createElement('li');
  item.style.setProperty('--person', colourOf(person));
  item.textContent = at === 0 ? `${nameOf(person)} (this tab)` : nameOf(person);
  return item;
}
