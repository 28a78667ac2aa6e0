using System;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Devices.Storage;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Files;

namespace Hutch.Devices.Virtio.Requests;

/// <summary>
/// One request of a driver on its way through a disk: the part that does not depend on how the driver writes it. Objects are reused: what a request needs is kept from one to
/// the next, so that in the long run none allocates.
/// <code>
///   Read (header)  ->  Advance … (in flight) … Continue  ->  finished: Answer, or Failure
/// </code>
/// Used by its queue's worker; only the call that says that an operation completed comes from elsewhere.
/// </summary>
internal abstract class StorageRequest
{
    private readonly Action _completed;
    private IoSegment[] _segments = [];
    private PendingOperation _operation;

    /// <summary>Makes one; <paramref name="completed"/> is called on any thread when an operation completed.</summary>
    private protected StorageRequest(int maxBuffers, Action<StorageRequest> completed)
    {
        Chain = new DescriptorChain(maxBuffers);
        _completed = () => completed(this);
    }

    /// <summary>The driver's buffers.</summary>
    internal DescriptorChain Chain { get; }

    /// <summary>The next of a list; its owner's.</summary>
    internal StorageRequest? Next { get; set; }

    /// <summary>What storage said, when it failed.</summary>
    internal Exception? Failure { get; private set; }

    /// <summary>The request reads the disk.</summary>
    internal abstract bool IsRead { get; }

    /// <summary>Bytes that the request moves; negative where it is neither a read nor a write.</summary>
    internal abstract long TransferBytes { get; }

    /// <summary>What the request asks, in a word, for messages.</summary>
    internal abstract string Verb { get; }

    /// <summary>What becomes of failures of its disk.</summary>
    internal abstract StorageErrors Errors { get; }

    /// <summary>Copies the header out of the chain. False when the chain is no request, so that there is nothing to answer.</summary>
    internal abstract bool Read();

    /// <summary>Makes success of the answer to a request that failed.</summary>
    internal abstract void Ignore();

    /// <summary>Writes the answer. Returns how many bytes of the chain's writable part are written, from its first one on (virtio 1.2 §2.7.8.2).</summary>
    internal abstract uint Answer();

    /// <summary>Prepares to make the operation that failed once more.</summary>
    internal virtual void Rewind() => Failure = null;

    /// <summary>Does what is next. True: the request is finished; false: an operation is in flight and nothing here may be touched until it completed.</summary>
    internal bool Advance()
    {
        try
        {
            while (Begin(out ValueTask operation))
            {
                if (!_operation.TryFinish(operation, _completed)) return false;
                End();
            }
        }
        catch (Exception refused) when (DiskNodes.IsFailure(refused))
        {
            Failed(refused);
        }
        return true;
    }

    /// <summary>Goes on after an operation completed; as <see cref="Advance"/>.</summary>
    internal bool Continue()
    {
        try
        {
            _operation.Finish();
            End();
        }
        catch (Exception refused) when (DiskNodes.IsFailure(refused))
        {
            Failed(refused);
            return true;
        }
        return Advance();
    }

    /// <summary>Begins the next operation; false when there is none, with the answer ready.</summary>
    private protected abstract bool Begin(out ValueTask operation);

    /// <summary>The operation went well.</summary>
    private protected abstract void End();

    /// <summary>The operation failed: the answer says so, unless the disk's policy has it otherwise.</summary>
    private protected abstract void Fail();

    /// <summary>A range of one part of the chain, which must be there.</summary>
    private protected IoVector Slice(bool writable, long offset, long length)
    {
        if (_segments.Length < Chain.SegmentCount) _segments = new IoSegment[Math.Max(Chain.SegmentCount, 2 * _segments.Length)];
        int count = Chain.Slice(writable, offset, length, _segments);
        return new IoVector(_segments.AsMemory(0, count));
    }

    // The wall of the worker: what the storage refused becomes the guest's I/O error, or what the disk's policy says.
    private void Failed(Exception refused)
    {
        Failure = refused;
        Fail();
    }
}
