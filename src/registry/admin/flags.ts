export interface CreateUserFlags {
  data?: string;
  htpasswd?: string;
  passwordStdin?: boolean;
}

export interface AdminCheckFlags {
  data: string;
  rehash?: boolean;
  output: 'text' | 'json';
}
