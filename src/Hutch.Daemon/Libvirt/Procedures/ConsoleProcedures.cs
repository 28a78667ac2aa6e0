using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Hutch.Management;
using Hutch.Management.Domains;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>The serial console as a stream: <c>virsh console</c>. A console has one reader at a time.</summary>
internal static class ConsoleProcedures
{
    // virDomainConsoleFlags.
    private const uint Force = 1;

    internal static void AddTo(ProcedureTable table, IDomainDriver domains)
    {
        ActiveConsoles active = new();
        table.OnAsync(Protocol.Procedures.DomainOpenConsole, async (call, arguments) =>
        {
            string terminal = await FindAsync(domains, call, arguments.Dom, arguments.DevName).ConfigureAwait(false);
            call.OpenStream(stream => active.Open(terminal, stream, (arguments.Flags & Force) != 0));
            return default;
        });
    }

    private static async ValueTask<string> FindAsync(IDomainDriver domains, Call call, Protocol.Domain domain, string? alias)
    {
        CallContext context = DomainProcedures.ContextOf(call);
        if (!(await domains.FindAsync(context, domain.Uuid).ConfigureAwait(false)).IsActive) throw new ManagementException(FailureKind.WrongState, "domain is not running");
        IEnumerable<CharacterDevice> devices = (await domains.DescribeAsync(context, domain.Uuid, isKept: false).ConfigureAwait(false)).Devices.OfType<CharacterDevice>();
        CharacterDevice device = (alias is null ? devices.FirstOrDefault(static one => one.Kind is "console" or "serial") : devices.FirstOrDefault(one => one.Alias == alias))
            ?? throw new LibvirtException(ErrorCode.InternalError, ErrorDomain.Qemu, $"internal error: cannot find character device {alias ?? "<null>"}");
        return device.Source is { Type: "pty", Path: { } path } ? path
            : throw new LibvirtException(ErrorCode.InternalError, ErrorDomain.Qemu, $"internal error: character device {alias ?? device.Kind} is not using a PTY");
    }

    private sealed class ActiveConsoles
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<string, ConsoleEnd> _open = [];

        internal ConsoleEnd Open(string terminal, RpcStream stream, bool isForced)
        {
            lock (_lock)
            {
                if (_open.Remove(terminal, out ConsoleEnd? other))
                {
                    if (!isForced)
                    {
                        _open.Add(terminal, other);
                        throw new LibvirtException(ErrorCode.OperationFailed, ErrorDomain.Qemu, "operation failed: Active console session exists for this domain");
                    }
                    _ = other.Stream.EndAsync();
                }
                ConsoleEnd opened = new(terminal, stream, Close);
                _open.Add(terminal, opened);
                return opened;
            }
        }

        private void Close(ConsoleEnd end)
        {
            lock (_lock)
                if (_open.GetValueOrDefault(end.Terminal) == end) _open.Remove(end.Terminal);
        }
    }

    private sealed class ConsoleEnd : IStreamEnd
    {
        private readonly Action<ConsoleEnd> _closed;
        private readonly TerminalClient _client;
        private volatile Task _sending = Task.CompletedTask;

        internal ConsoleEnd(string terminal, RpcStream stream, Action<ConsoleEnd> closed)
        {
            (Terminal, Stream, _closed) = (terminal, stream, closed);
            try
            {
                _client = new TerminalClient(terminal, Receive, () => _ = stream.EndAsync());
            }
            catch (Exception refused) when (refused is IOException or LinuxException)
            {
                throw new LibvirtException(ErrorCode.SystemError, ErrorDomain.Qemu, $"the console {terminal} cannot be opened: {refused.Message}");
            }
        }

        internal string Terminal { get; }

        internal RpcStream Stream { get; }

        public ValueTask TakeAsync(ReadOnlyMemory<byte> data)
        {
            _client.Write(data.Span);
            return ValueTask.CompletedTask;
        }

        public ValueTask FinishAsync() => ValueTask.CompletedTask;

        public void Dispose()
        {
            _closed(this);
            _client.Dispose();
        }

        // A packet at a time: who does not read makes the guest's terminal full, and nothing here.
        private int Receive(ReadOnlySpan<byte> data)
        {
            if (!_sending.IsCompleted) return 0;
            int count = Math.Min(data.Length, RpcStream.UsualBytes);
            _sending = Stream.SendAsync(data[..count]);
            return count;
        }
    }
}
