/** The types for `import`. They are the same as for `require`. */
export * from './coordinator.cjs';
