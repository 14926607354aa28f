/** How nft commands reach the kernel: the library in this process, or the program. */
export interface NftBackend {
  /** Runs commands as one transaction. `error` is nft's own text, undefined on success. */
  run(commands: string, format: "text" | "json"): Promise<{ output: string; error: string | undefined }>;
  /** Whether a netlink port id is one that this backend sent from. */
  isOurs(port: number): boolean;
  close(): void;
}
