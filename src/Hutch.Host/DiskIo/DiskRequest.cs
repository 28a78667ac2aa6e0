using System;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;
using Hutch.Host.Files;

namespace Hutch.Host.DiskIo;

/// <summary>
/// A request in flight, used again and again. It goes from the caller (Prepare, Cover) to the engine, which moves it forward, to <see cref="Complete"/>, and
/// with <see cref="GetResult"/> back to the engine's spare ones.
/// </summary>
internal sealed class DiskRequest : IValueTaskSource, IThreadPoolWorkItem
{
    private const int FewSegments = 8, MostSegments = 1024;      // IOV_MAX

    private readonly DiskEngine _engine;

    // Not readonly: a mutable struct.
    private ManualResetValueTaskSourceCore<bool> _core;

    // Pinned, so that the kernel can be told its address.
    private IoSegment[] _segments = GC.AllocateArray<IoSegment>(FewSegments, pinned: true);
    private int _first, _count;
    private IDiskClient _client = null!;
    private Exception? _outcome;
    private bool _holdsFile;

    /// <summary>Makes a request of an engine.</summary>
    internal DiskRequest(DiskEngine engine) => _engine = engine;

    /// <summary>Link of whatever list the request is in.</summary>
    internal DiskRequest? Next { get; set; }

    /// <summary>The engine's place for it.</summary>
    internal int Slot { get; set; }

    /// <summary>What was asked.</summary>
    internal DiskWork Work { get; private set; }

    /// <summary>The file.</summary>
    internal DiskFile File { get; private set; } = null!;

    /// <summary>Bytes at the beginning that are done.</summary>
    internal long Done { get; private set; }

    /// <summary>Where the rest of the transfer begins.</summary>
    internal long Offset => Work.Offset + Done;

    /// <summary>The rest of the memory.</summary>
    internal ReadOnlySpan<IoSegment> Rest => _segments.AsSpan(_first, _count);

    /// <summary>The rest of the memory for the kernel: one range's address and length, or the address of a list of several, which stays in place until <see cref="Complete"/>.</summary>
    internal (nint Address, int Count, nint LengthBytes) Place => _count == 1
        ? (_segments[_first].Address, 1, _segments[_first].LengthBytes)
        : (Marshal.UnsafeAddrOfPinnedArrayElement(_segments, _count == 0 ? 0 : _first), Math.Min(_count, MostSegments), 0);

    /// <summary>Completes when the request does.</summary>
    internal ValueTask Task => new(this, _core.Version);

    /// <summary>Fills the request in and holds the file open.</summary>
    internal void Prepare(IDiskClient client, DiskFile file, in DiskWork work)
    {
        file.DangerousAddRef(ref _holdsFile);
        (_client, File, Work, Done) = (client, file, work, 0);
        (_first, _count, Next) = (0, 0, null);
    }

    /// <summary>Takes the list of memory ranges over, without the first <paramref name="done"/> bytes.</summary>
    internal void Cover(ReadOnlySpan<IoSegment> segments, long done)
    {
        if (segments.Length > _segments.Length) _segments = GC.AllocateArray<IoSegment>(Math.Max(segments.Length, _segments.Length * 2), pinned: true);
        segments.CopyTo(_segments);
        _count = segments.Length;
        _ = Advance(done);
    }

    /// <summary>Moves forward by transferred bytes. True when nothing is left to do.</summary>
    internal bool Advance(long bytes)
    {
        Done += bytes;
        while (_count != 0 && bytes >= _segments[_first].LengthBytes)
        {
            bytes -= _segments[_first++].LengthBytes;
            _count--;
        }
        if (_count == 0) return true;
        IoSegment cut = _segments[_first];
        _segments[_first] = cut.Slice((nint)bytes, cut.LengthBytes - (nint)bytes);
        return false;
    }

    /// <summary>Fills the rest of the memory with zeros, for a read that met the end of the file.</summary>
    internal void ZeroRest()
    {
        foreach (IoSegment segment in Rest) segment.Clear();
    }

    /// <summary>Does everything on this thread and completes.</summary>
    internal void CarryOut()
    {
        Exception? failure = null;
        try
        {
            switch (Work.Operation)
            {
                case DiskOperation.Read:
                    File.ReadFully(Offset, Rest);
                    break;
                case DiskOperation.Write:
                case DiskOperation.DurableWrite:
                    File.WriteFully(Offset, Rest, Work.Operation == DiskOperation.DurableWrite);
                    break;
                case DiskOperation.Sync:
                    File.SyncData();
                    break;
                default:
                    _client.Work(Work);
                    break;
            }
        }
        // A wall: whatever a client's work throws is the awaiter's.
        catch (Exception e)
        {
            failure = e;
        }
        Complete(failure);
    }

    /// <summary>Ends the request. The awaiter goes on here or on the thread pool, as the client wants it.</summary>
    internal void Complete(Exception? failure)
    {
        File.DangerousRelease();
        _holdsFile = false;
        IDiskClient client = _client;
        _outcome = client.Ended(Work, failure);
        if (client.ContinuesInline) Execute();
        else ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Tells the awaiter.</summary>
    public void Execute()
    {
        Exception? outcome = _outcome;
        _outcome = null;
        if (outcome is null) _core.SetResult(true);
        else _core.SetException(outcome);
    }

    /// <inheritdoc/>
    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    /// <inheritdoc/>
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    /// <inheritdoc/>
    public void GetResult(short token)
    {
        try
        {
            _core.GetResult(token);
        }
        finally
        {
            _core.Reset();
            (_client, File) = (null!, null!);
            _engine.Return(this);
        }
    }
}
