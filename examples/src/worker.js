/**
 * The shared worker of the demos: one host, one socket, for all tabs. A document's type has to be known here, where
 * ops of several tabs are transformed, as well as in the page that shows it. A page can end it.
 */
import richText from 'rich-text';
import { serve } from 'sharedb-proxy/worker';
import { endWhenTold } from './worker-channel.js';

serve({ types: [richText.type] });
endWhenTold(self.name);
