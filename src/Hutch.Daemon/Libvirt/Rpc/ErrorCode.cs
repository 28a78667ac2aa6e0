namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>Codes of errors that clients branch on (libvirt/virterror.h, virErrorNumber).</summary>
internal enum ErrorCode
{
    InternalError = 1,
    NoSupport = 3,
    NoConnect = 5,
    InvalidArgument = 8,
    OperationFailed = 9,
    XmlError = 27,
    OperationDenied = 29,
    SystemError = 38,
    Rpc = 39,
    NoDomain = 42,
    NoNetwork = 43,
    NoStoragePool = 49,
    NoStorageVolume = 50,
    OperationInvalid = 55,
    ConfigUnsupported = 67,
    OperationTimeout = 68,
}

/// <summary>Who says that something went wrong (libvirt/virterror.h, virErrorDomain).</summary>
internal enum ErrorDomain
{
    Rpc = 7,
    Qemu = 10,
    Remote = 13,
    Storage = 18,
    Network = 19,
    Domain = 20,
}
