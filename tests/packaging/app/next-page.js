'use client';

import { useEffect } from 'react';
import { createConnection } from 'sharedb-proxy';
import { start } from '../main.js';

export default function Page() {
  useEffect(() => start(createConnection), []);
  return <main>Letters</main>;
}
