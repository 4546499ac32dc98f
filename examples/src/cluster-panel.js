/** Where a demo runs on a cluster: the servers behind nginx, which of them this browser is on, and a button that kills it. */

export class ClusterPanel {
  /**
   * @param {HTMLElement} element
   * @param {object} connection
   * @param {(server: string) => void} kill
   */
  constructor(element, connection, kill) {
    this.element = element;
    this.kill = kill;
    this.list = document.createElement('ul');
    this.story = document.createElement('p');
    this.story.role = 'status';
    element.classList.add('cluster');
    element.append(this.list, this.story);
    this.at = null;
    this.lost = null;
    this.away = null;
    connection.on('disconnected', () => (this.lost = performance.now()));
    connection.on('connected', () => {
      if (this.lost !== null) this.away = performance.now() - this.lost;
      this.lost = null;
    });
  }

  /** @param {{servers: {name: string, up: boolean, sockets: number, here: boolean}[]}} cluster */
  show({ servers }) {
    this.element.hidden = false;
    for (const server of servers) this.showServer(this.itemOf(server.name), server);
    const here = servers.find((server) => server.here)?.name;
    if (here && this.at && here !== this.at) this.tell(here);
    if (here) this.at = here;
  }

  tell(here) {
    const seconds = this.away === null ? '' : `, ${(this.away / 1000).toFixed(1)} s later`;
    this.story.textContent = `${this.at} was gone: this browser went on with ${here}${seconds}.`;
    this.story.animate({ color: ['var(--accent)', 'inherit'] }, 2400);
  }

  itemOf(name) {
    const found = [...this.list.children].find((item) => item.dataset.server === name);
    if (found) return found;
    const item = document.createElement('li');
    item.dataset.server = name;
    item.innerHTML = '<b class="dot"></b><span></span><button type="button">Kill it</button>';
    item.querySelector('b').textContent = name;
    item.querySelector('button').addEventListener('click', () => this.kill(name));
    item.querySelector('button').setAttribute('aria-label', `Kill ${name}`);
    this.list.append(item);
    return item;
  }

  showServer(item, { up, sockets, here }) {
    item.dataset.up = up;
    item.dataset.here = here;
    const count = sockets === 1 ? '1 socket' : `${sockets} sockets`;
    const words = up ? `${count}${here ? ', this browser’s among them' : ''}` : 'killed, back soon';
    item.querySelector('span').textContent = words;
    item.querySelector('button').disabled = !up;
    item.querySelector('button').classList.toggle('primary', here);
  }
}
