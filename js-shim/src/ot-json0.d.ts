/** `ot-json0` comes without types. */
declare module 'ot-json0' {
  import type { Type } from './index.cjs';
  const json0: { type: Type };
  export default json0;
}
