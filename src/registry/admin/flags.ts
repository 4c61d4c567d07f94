export interface CreateUserFlags {
  data?: string;
  htpasswd?: string;
  passwordStdin?: boolean;
}

/** Which registry: a data directory, or a bootstrap document. Exactly one is given. */
export interface PlaceFlags {
  data?: string;
  config?: string;
}

export interface OutputFlags {
  output: 'text' | 'json';
}

export interface AdminCheckFlags extends PlaceFlags, OutputFlags {
  rehash?: boolean;
}

export interface BackupFlags extends PlaceFlags, OutputFlags {
  to?: string;
}

export interface RestoreFlags extends PlaceFlags, OutputFlags {
  from: string;
  force?: boolean;
}

export interface MigrateFlags extends OutputFlags {
  from: string;
  to: string;
  allowDamaged?: boolean;
}
