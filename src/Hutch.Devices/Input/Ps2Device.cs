using System;
using Hutch.Core.State;
using Hutch.Devices.Chipset;

namespace Hutch.Devices.Input;

/// <summary>
/// What is at the other end of a PS/2 cable: bytes for the controller, those that answer a command before all others. Everything is called under the controller's lock.
/// </summary>
internal abstract class Ps2Device(I8042 controller)
{
    private const int QueueBytes = 256, MostReplies = 16;

    /// <summary>Answer: the byte was understood.</summary>
    protected const byte Acknowledge = 0xfa;

    /// <summary>Answer: send that again; it was not understood.</summary>
    protected const byte Resend = 0xfe;

    /// <summary>Answer: the self test passed.</summary>
    protected const byte TestPassed = 0xaa;

    private readonly byte[] _queue = new byte[QueueBytes], _replies = new byte[MostReplies];
    private int _first, _count, _replyFirst, _replyCount;
    private byte _last;

    /// <summary>The controller that the cable leads to.</summary>
    protected I8042 Controller => controller;

    /// <summary>How many more bytes the queue holds.</summary>
    protected int Room => QueueBytes - _count;

    /// <summary>Whether no byte waits that is no answer.</summary>
    protected bool IsIdle => _count == 0;

    /// <summary>Takes the next byte for the controller. False: there is none.</summary>
    internal bool TryTake(out byte value)
    {
        if (_replyCount != 0)
        {
            value = _last = _replies[_replyFirst++];
            if (--_replyCount == 0) _replyFirst = 0;
            return true;
        }
        if (_count == 0) Fill();
        value = 0;
        if (_count == 0) return false;
        value = _last = _queue[_first];
        _first = (_first + 1) % QueueBytes;
        _count--;
        return true;
    }

    /// <summary>A byte from the controller.</summary>
    internal abstract void Write(byte value);

    /// <summary>Power-on.</summary>
    internal virtual void Reset()
    {
        Clear();
        _last = 0;
    }

    /// <summary>Saves or restores it.</summary>
    internal virtual void Exchange(StateFields fields)
    {
        byte[] waiting = new byte[_count];
        for (int i = 0; i < waiting.Length; i++) waiting[i] = _queue[(_first + i) % QueueBytes];
        waiting = fields.Blob("queue", waiting, QueueBytes);
        byte[] replies = fields.Blob("replies", _replies.AsSpan(_replyFirst, _replyCount).ToArray(), MostReplies);
        fields.Value("last", ref _last);
        if (!fields.IsRestoring) return;
        Clear();
        Send(waiting);
        Reply(replies);
    }

    /// <summary>Puts bytes behind those that wait. Without room for all of them none is sent.</summary>
    protected void Send(ReadOnlySpan<byte> values)
    {
        if (values.Length > Room) return;
        foreach (byte value in values)
        {
            _queue[(_first + _count) % QueueBytes] = value;
            _count++;
        }
    }

    /// <summary>Answers a command, before anything else is sent.</summary>
    protected void Reply(params ReadOnlySpan<byte> values)
    {
        foreach (byte value in values)
            if (_replyFirst + _replyCount < MostReplies) _replies[_replyFirst + _replyCount++] = value;
    }

    /// <summary>Answers with the byte that was sent last.</summary>
    protected void Repeat() => Reply(_last);

    /// <summary>Forgets what waits.</summary>
    protected void Clear() => _first = _count = _replyFirst = _replyCount = 0;

    /// <summary>Nothing waits: what has gathered meanwhile may be sent.</summary>
    protected virtual void Fill() { }
}
