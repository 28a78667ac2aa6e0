namespace Hutch.Daemon.Libvirt.Xdr;

/// <summary>Arguments or a reply without a field (RFC 4506 §4.16).</summary>
internal readonly record struct Nothing : IXdr<Nothing>
{
    public static Nothing Read(ref XdrReader xdr) => default;

    public void Write(XdrWriter xdr)
    {
    }
}
