using Hutch.Management;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>What drivers refuse, in libvirt's codes and words. Clients branch on the codes and print the words as they are.</summary>
internal static class Failures
{
    /// <summary>The error for a client.</summary>
    internal static LibvirtException Translate(ManagementException refused) => refused.Kind switch
    {
        FailureKind.NoDomain => new LibvirtException(ErrorCode.NoDomain, ErrorDomain.Qemu, $"Domain not found: {refused.Message}"),
        FailureKind.Exists => new LibvirtException(ErrorCode.OperationFailed, ErrorDomain.Qemu, $"operation failed: {refused.Message}"),
        FailureKind.NoNetwork => new LibvirtException(ErrorCode.NoNetwork, ErrorDomain.Network, $"Network not found: {refused.Message}"),
        FailureKind.NoPool => new LibvirtException(ErrorCode.NoStoragePool, ErrorDomain.Storage, $"Storage pool not found: {refused.Message}"),
        FailureKind.NoVolume => new LibvirtException(ErrorCode.NoStorageVolume, ErrorDomain.Storage, $"Storage volume not found: {refused.Message}"),
        FailureKind.WrongState => new LibvirtException(ErrorCode.OperationInvalid, ErrorDomain.Qemu, $"Requested operation is not valid: {refused.Message}"),
        FailureKind.Unsupported => new LibvirtException(ErrorCode.ConfigUnsupported, ErrorDomain.Qemu, $"unsupported configuration: {refused.Message}"),
        FailureKind.BadDocument => new LibvirtException(ErrorCode.XmlError, ErrorDomain.Domain, $"XML error: {refused.Message}"),
        FailureKind.HostFailed => new LibvirtException(ErrorCode.SystemError, ErrorDomain.Qemu, refused.Message),
        FailureKind.BadArgument => new LibvirtException(ErrorCode.InvalidArgument, ErrorDomain.Qemu, $"invalid argument: {refused.Message}"),
        FailureKind.NoAnswer => new LibvirtException(ErrorCode.OperationTimeout, ErrorDomain.Qemu, $"Timed out during operation: {refused.Message}"),
        _ => new LibvirtException(ErrorCode.OperationFailed, ErrorDomain.Qemu, $"operation failed: {refused.Message}"),
    };
}
