using System;
using System.Threading;
using Hutch.Host.Linux;

namespace Hutch.Host.Events;

/// <summary>Looks at input as it arrives, before the guest's pace matters; returns how many of the bytes to keep.</summary>
internal delegate int FilterInput(Span<byte> data);

/// <summary>
/// The incoming half of a channel: a thread that reads a descriptor and offers the bytes to the device at the device's pace.
/// Bytes that the device did not take are offered again after <see cref="Resume"/>, or a little later by themselves.
/// </summary>
internal sealed class InputPump : IDisposable
{
    // A device that gives no sign of having room is asked again after this time.
    private const int RetryMs = 10;
    private const int HeldBytes = 64 * 1024;

    private readonly int _fd;
    private readonly bool _alwaysRead;
    private readonly ReceiveBytes _receive;
    private readonly FilterInput? _filter;
    private readonly Action? _ended;
    private readonly EventFd _wake = EventFd.Create("Console input");
    private readonly Thread _thread;
    private byte[] _held = new byte[4096];
    private int _start;
    private int _end;
    private volatile bool _waiting;
    private volatile bool _stopping;

    /// <summary>Starts reading <paramref name="fd"/>, which stays its owner's.</summary>
    /// <param name="name">Thread name.</param>
    /// <param name="fd">Descriptor to read.</param>
    /// <param name="receive">The device.</param>
    /// <param name="filter">Sees every byte at once; null: none.</param>
    /// <param name="alwaysRead">Reads on (and drops what does not fit) while the device takes nothing, so that the filter is never kept waiting.</param>
    /// <param name="ended">Called on the thread when the input has ended and the device took the last byte.</param>
    internal InputPump(string name, int fd, ReceiveBytes receive, FilterInput? filter, bool alwaysRead, Action? ended = null)
    {
        _fd = fd;
        _receive = receive;
        _filter = filter;
        _alwaysRead = alwaysRead;
        _ended = ended;
        _thread = new Thread(Loop, 128 * 1024) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Offers held bytes again. Costs nothing when none are held.</summary>
    internal void Resume()
    {
        if (!_waiting) return;
        _waiting = false;
        _wake.Signal();
    }

    /// <summary>Ends the thread, unless it is the one that calls.</summary>
    public void Dispose()
    {
        _stopping = true;
        _wake.Signal();
        if (Thread.CurrentThread == _thread) return;
        _thread.Join();
        _wake.Dispose();
    }

    private void Loop()
    {
        bool open = true;
        while (!_stopping && (open || _end > _start))
        {
            // Announced before the offer: a device that makes room in between signals the event, and the wait below returns.
            _waiting = _end > _start;
            Offer();
            bool holding = _end > _start;
            if (!holding) _waiting = false;
            int fd = open && (_alwaysRead || !holding) ? _fd : -1;
            bool ready = OpenFile.Wait(fd, Libc.PollIn, _wake, holding ? RetryMs : -1);
            _ = _wake.Drain();
            if (ready && !_stopping) open = Fill();
        }
        _ended?.Invoke();
    }

    private void Offer()
    {
        while (_end > _start)
        {
            int taken = Math.Clamp(_receive(_held.AsSpan(_start, _end - _start)), 0, _end - _start);
            if (taken == 0) return;
            _start += taken;
        }
        _start = _end = 0;
    }

    // False at the end of input.
    private bool Fill()
    {
        MakeRoom();
        Span<byte> scrap = stackalloc byte[256];
        Span<byte> room = _end < _held.Length ? _held.AsSpan(_end) : scrap;
        int count = OpenFile.Read(_fd, room);
        if (count == 0) return false;
        if (count < 0) return true;
        int kept = _filter is null ? count : _filter(room[..count]);
        if (_end < _held.Length) _end += kept;
        return true;
    }

    private void MakeRoom()
    {
        if (_start > 0)
        {
            _held.AsSpan(_start, _end - _start).CopyTo(_held);
            _end -= _start;
            _start = 0;
        }
        if (_end > _held.Length / 2 && _held.Length < HeldBytes) Array.Resize(ref _held, _held.Length * 2);
    }
}
