using Hutch.Daemon.Libvirt.Xdr;

namespace Hutch.Daemon.Libvirt.Protocol;

/// <summary>A procedure of the table: its number, who may call it, and the types of both directions.</summary>
internal sealed record Procedure<TArgs, TReply>(uint Program, int Number, string Name, Access Access)
    where TArgs : struct, IXdr<TArgs>
    where TReply : struct, IXdr<TReply>;

/// <summary>An event of the table: its number and the type of its body.</summary>
internal sealed record Event<TBody>(uint Program, int Number)
    where TBody : struct, IXdr<TBody>;
