import manifest from '../../package.json' with { type: 'json' };

/** Version of the package, for `version`, `/admin/v1/status` and User-Agent headers. */
export const version: string = manifest.version;
