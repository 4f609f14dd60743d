/** The licences of all that is bundled; vite.config.ts makes it. */
declare module 'virtual:licences' {
  const text: string
  export default text
}
