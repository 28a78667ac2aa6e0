using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Xdr;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>The procedures that this daemon answers. Filled before the first call, then read by any thread.</summary>
internal sealed class ProcedureTable
{
    private readonly Dictionary<(uint Program, int Number), Handler> _handlers = [];
    private readonly HashSet<uint> _programs = [];

    /// <summary>The answer to one call.</summary>
    internal delegate ValueTask Answer(Call call, ReadOnlyMemory<byte> arguments, XdrWriter reply);

    /// <summary>All that are answered.</summary>
    internal IEnumerable<Handler> Handlers => _handlers.Values;

    /// <summary>Answers a procedure at once: the function does not wait for anything.</summary>
    internal void On<TArgs, TReply>(Procedure<TArgs, TReply> procedure, Func<Call, TArgs, TReply> answer)
        where TArgs : struct, IXdr<TArgs>
        where TReply : struct, IXdr<TReply> => OnAsync(procedure, (call, arguments) => ValueTask.FromResult(answer(call, arguments)));

    /// <summary>Answers a procedure.</summary>
    internal void OnAsync<TArgs, TReply>(Procedure<TArgs, TReply> procedure, Func<Call, TArgs, ValueTask<TReply>> answer)
        where TArgs : struct, IXdr<TArgs>
        where TReply : struct, IXdr<TReply>
    {
        _programs.Add(procedure.Program);
        _handlers.Add((procedure.Program, procedure.Number), new Handler(procedure.Name, procedure.Program, procedure.Number, procedure.Access,
            async (call, arguments, reply) => (await answer(call, Decode<TArgs>(arguments)).ConfigureAwait(false)).Write(reply)));
    }

    /// <summary>Who answers a call. Throws <see cref="LibvirtException"/> where nobody does, or where this client may not ask.</summary>
    internal Handler Find(PacketHeader header, Client client)
    {
        if (!_programs.Contains(header.Program) || header.Version != PacketHeader.CurrentVersion)
            throw new LibvirtException(ErrorCode.Rpc, ErrorDomain.Rpc, $"Cannot find program {header.Program} version {header.Version}");
        // Clients find by the beginning of this text that they must do without.
        if (!_handlers.TryGetValue((header.Program, header.Procedure), out Handler? handler))
            throw new LibvirtException(ErrorCode.Rpc, ErrorDomain.Rpc, $"unknown procedure: {header.Procedure}");
        if (handler.Access >= Access.Read && client.Uri is null)
            throw new LibvirtException(ErrorCode.InternalError, ErrorDomain.Rpc, "internal error: hypervisor connection not open");
        if (handler.Access == Access.Write && client.IsReadOnly)
            throw new LibvirtException(ErrorCode.OperationDenied, ErrorDomain.Remote, $"operation forbidden: read only access prevents {handler.Name}");
        return handler;
    }

    private static TArgs Decode<TArgs>(ReadOnlyMemory<byte> arguments)
        where TArgs : struct, IXdr<TArgs>
    {
        XdrReader xdr = new(arguments.Span);
        return TArgs.Read(ref xdr);
    }

    /// <summary>A procedure and its answer.</summary>
    internal sealed record Handler(string Name, uint Program, int Number, Access Access, Answer Answer);
}
