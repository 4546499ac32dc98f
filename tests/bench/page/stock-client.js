/** The stock client by itself, as an application bundles it. */

export * from 'sharedb/lib/client';
