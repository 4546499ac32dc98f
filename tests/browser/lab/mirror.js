/** A cipher that page and worker both have, and that a test can see through: texts the wrong way round. */

export const encrypt = (text) => [...text].reverse().join('');
export const decrypt = encrypt;
