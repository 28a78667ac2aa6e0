namespace Hutch.Daemon.Libvirt.Xdr;

/// <summary>A structure with a form in XDR (RFC 4506).</summary>
/// <typeparam name="TSelf">The structure itself.</typeparam>
internal interface IXdr<TSelf>
    where TSelf : struct, IXdr<TSelf>
{
    /// <summary>Reads one. Throws <see cref="XdrException"/>.</summary>
    static abstract TSelf Read(ref XdrReader xdr);

    /// <summary>Appends it.</summary>
    void Write(XdrWriter xdr);
}
