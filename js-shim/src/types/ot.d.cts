/** OT types, and the components of json0 ops. */

export {};

/** What a document may hold beneath json0. */
export type JSONValue = string | number | boolean | null | JSONObject | JSONArray;
export interface JSONObject {
  [name: string]: JSONValue;
}
export interface JSONArray extends Array<JSONValue> {}

/** Where in a document a json0 component applies: keys and indices, from the outside in. */
export type Path = ReadonlyArray<string | number>;

/** Adds to a number. */
export interface AddNumOp {
  p: Path;
  na: number;
}
/** Inserts an item before the index that ends the path. */
export interface ListInsertOp {
  p: Path;
  li: any;
}
/** Deletes the item; `ld` is what it was. */
export interface ListDeleteOp {
  p: Path;
  ld: any;
}
/** Replaces the item `ld` by `li`. */
export interface ListReplaceOp {
  p: Path;
  li: any;
  ld: any;
}
/** Moves the item to the index `lm`. */
export interface ListMoveOp {
  p: Path;
  lm: any;
}
/** Sets a key that was not there. */
export interface ObjectInsertOp {
  p: Path;
  oi: any;
}
/** Deletes a key; `od` is its value. */
export interface ObjectDeleteOp {
  p: Path;
  od: any;
}
/** Replaces a key's value `od` by `oi`. */
export interface ObjectReplaceOp {
  p: Path;
  oi: any;
  od: any;
}
/** Inserts text at the offset that ends the path. */
export interface StringInsertOp {
  p: Path;
  si: string;
}
/** Deletes the text `sd` at the offset. */
export interface StringDeleteOp {
  p: Path;
  sd: string;
}
/** Applies the op `o` of another type, by the name `t`. */
export interface SubtypeOp {
  p: Path;
  t: string;
  o: any;
}

/** A component of a json0 op. */
export type Op =
  | AddNumOp
  | ListInsertOp
  | ListDeleteOp
  | ListReplaceOp
  | ListMoveOp
  | ObjectInsertOp
  | ObjectDeleteOp
  | ObjectReplaceOp
  | StringInsertOp
  | StringDeleteOp
  | SubtypeOp;

/** An OT type as it may be registered, after https://github.com/ottypes/docs. It has `transform` or `transformX`. */
export interface TypeDefinition {
  name?: string;
  uri?: string;
  create(initialData?: any): any;
  apply(snapshot: any, op: any): any;
  transform?(op: any, other: any, side: 'left' | 'right'): any;
  transformX?(left: any, right: any): any;
  compose?(op: any, next: any): any;
  invert?(op: any): any;
  normalize?(op: any): any;
  deserialize?(data: any): any;
  createDeserialized?(data: any): any;
  transformPresence?(presence: any, op: any, isOwnOp: boolean): any;
  [more: string]: any;
}

/**
 * An OT type as documents and the registry give it. `@types/sharedb` takes for granted that one has `transform` and
 * `compose`; a type that was registered without them has not.
 */
export interface Type extends TypeDefinition {
  transform(op: any, other: any, side: 'left' | 'right'): any;
  compose(op: any, next: any): any;
}

/**
 * A subtype of json0: what `types.map.json0.registerSubtype` takes, in every page and, for a host in a worker, in
 * `serve({ subtypes })`. An op of one that is not known is refused with `ERR_OT_SUBTYPE_NOT_RECOGNIZED`.
 */
export interface Subtype {
  /** The `t` of a component. */
  name: string;
  apply(snapshot: any, op: any): any;
  transform(op: any, other: any, side: 'left' | 'right'): any;
  compose(op: any, next: any): any;
  /** Without it an op that the server refuses costs the document's other pending ops, too. */
  invert?(op: any): any;
  [more: string]: any;
}

/** The registry of OT types: one a process, shared with the `sharedb` of a server in Node. */
export interface Types {
  /** The type of a document that names none: json0. */
  defaultType: Type;
  /** Types by name and by URI. */
  map: { [nameOrUri: string]: Type };
  register(type: TypeDefinition): void;
}
