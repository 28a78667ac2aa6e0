using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// How much memory the bits of all bitmaps of an image may take, so that a hostile image, in which many bitmaps share few clusters, cannot take all. Under the
/// owner's lock.
/// </summary>
internal sealed class BitmapMemory(long maxBytes = BitmapMemory.DefaultMaxBytes)
{
    /// <summary>Twice the largest bitmap.</summary>
    internal const long DefaultMaxBytes = 2 * Qcow2Limits.MaxBitmapBytes;

    private long _takenBytes;

    /// <summary>Takes some; false where there is not so much left.</summary>
    internal bool TryTake(long lengthBytes)
    {
        if (lengthBytes > maxBytes - _takenBytes) return false;
        _takenBytes += lengthBytes;
        return true;
    }

    /// <summary>Takes some, or throws <see cref="BlockIoException"/>.</summary>
    internal void Take(long lengthBytes)
    {
        if (!TryTake(lengthBytes)) throw new BlockIoException("The image's bitmaps would take too much memory.", BlockIoException.Efbig);
    }

    /// <summary>Gives some back.</summary>
    internal void Give(long lengthBytes) => _takenBytes -= lengthBytes;
}
