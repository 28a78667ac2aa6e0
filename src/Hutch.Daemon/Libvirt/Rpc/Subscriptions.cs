using System;
using System.Collections.Generic;
using System.Threading;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>What a client wants to be told of, by numbers of our choice. Any thread. All end with the connection.</summary>
internal sealed class Subscriptions : IDisposable
{
    /// <summary>The most that a client can have.</summary>
    internal const int Most = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<int, IDisposable> _open = [];
    private int _last;
    private bool _ended;

    /// <summary>Begins one; <paramref name="begin"/> gets its number. Throws <see cref="LibvirtException"/> where there are too many.</summary>
    internal int Add(Func<int, IDisposable> begin)
    {
        lock (_lock)
        {
            if (_open.Count == Most) throw new LibvirtException(ErrorCode.OperationFailed, ErrorDomain.Rpc, $"operation failed: a connection can have {Most} event callbacks; deregister some");
            int number = ++_last;
            IDisposable opened = begin(number);
            if (_ended) opened.Dispose();
            else _open.Add(number, opened);
            return number;
        }
    }

    /// <summary>Ends one. Throws <see cref="LibvirtException"/> where there is none of that number.</summary>
    internal void Remove(int number)
    {
        IDisposable? open;
        lock (_lock)
            if (!_open.Remove(number, out open)) throw new LibvirtException(ErrorCode.InvalidArgument, ErrorDomain.Rpc, $"invalid argument: there is no event callback {number}");
        open.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _ended = true;
            foreach (IDisposable open in _open.Values) open.Dispose();
            _open.Clear();
        }
    }
}
