namespace Hutch.Model.Machine;

/// <summary>A TPM 2.0 with a command response buffer, emulated by a swtpm of the host's.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Path">The UNIX socket that swtpm takes requests on (its <c>--ctrl type=unixio,path=</c>).</param>
public sealed record TpmCrbConfig(string Id, string Path) : DeviceConfig(Id);
