using System;
using System.Numerics;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// An allocating write: which host clusters a part of the disk gets, what of the old content must be copied around the new data, and how the entries will
/// look. From <see cref="WritePlanner.TryPlan"/> until <see cref="WritePlanner.TryLink"/> nobody else changes that part's mapping.
/// </summary>
internal sealed class WritePlan
{
    /// <summary>First guest cluster and number of clusters; all in one slice.</summary>
    internal required AllocationInFlight Part { get; init; }

    /// <summary>Where the first cluster's data lies.</summary>
    internal required long HostOffset { get; init; }

    /// <summary>The host clusters were taken for this write; otherwise the disk's clusters have them already.</summary>
    internal required bool IsNew { get; init; }

    /// <summary>The file reads as zeros in the host clusters.</summary>
    internal required bool IsFresh { get; init; }

    /// <summary>First byte of the disk that the write fills.</summary>
    internal required long WriteStart { get; init; }

    /// <summary>First byte behind it.</summary>
    internal required long WriteEnd { get; init; }

    /// <summary>First byte of the disk that the host clusters hold afterwards, at most <see cref="WriteStart"/>.</summary>
    internal long CopyStart { get; init; }

    /// <summary>First byte that they do not hold, at least <see cref="WriteEnd"/>.</summary>
    internal long CopyEnd { get; init; }

    /// <summary>Where a byte of the disk lies.</summary>
    internal long HostOf(long guest, int clusterBits) => HostOffset + (guest - (Part.FirstCluster << clusterBits));
}

/// <summary>What a write does next.</summary>
internal readonly struct WriteStep
{
    /// <summary>Of a write in place: where to.</summary>
    internal long HostOffset { get; init; }

    /// <summary>Bytes of the request that this step does.</summary>
    internal long LengthBytes { get; init; }

    /// <summary>The allocating write; null for one in place.</summary>
    internal WritePlan? Plan { get; init; }

    /// <summary>Another allocating write to wait for first; null for none.</summary>
    internal AllocationInFlight? WaitFor { get; init; }

    /// <summary>The epoch that the request has entered, unless it waits.</summary>
    internal int Epoch { get; init; }
}

/// <summary>Decides for writes and links what they allocated. All under the owner's lock; false as in <see cref="Refcounts"/>.</summary>
internal sealed class WritePlanner(Qcow2Metadata metadata)
{
    private readonly Qcow2Geometry _geometry = metadata.Geometry;
    private readonly bool _hasDataFile = metadata.Header.HasDataFile;

    /// <summary>Decides how the write of a range begins. The step covers a part of it, at least one byte, or waits.</summary>
    internal bool TryPlan(long guest, long maxBytes, out WriteStep step)
    {
        step = default;
        if (!metadata.L2.TrySlice(guest, out CachedSlice? slice)) return false;
        if (slice is not null)
        {
            long inPlace = CountInPlace(slice, guest, maxBytes, out long host);
            if (inPlace != 0)
            {
                if (!_hasDataFile) metadata.Overlaps.Check(host, inPlace);
                step = new WriteStep { HostOffset = host, LengthBytes = inPlace, Epoch = metadata.Epochs.Enter() };
                return true;
            }
        }
        return TryAllocate(guest, maxBytes, ref step);
    }

    /// <summary>Whether an allocation overlaps clusters: then it comes first. Cuts <paramref name="count"/> to what lies before it otherwise.</summary>
    internal AllocationInFlight? MustWait(long firstCluster, ref long count)
    {
        if (metadata.InFlight.Find(firstCluster, count) is not { } other) return null;
        if (other.FirstCluster <= firstCluster) return other;
        count = other.FirstCluster - firstCluster;
        return null;
    }

    /// <summary>Lazy refcounts: the header must say so before the first change.</summary>
    internal bool TryBeginChange() =>
        !metadata.IsLazy || metadata.Header.Has(Qcow2Features.Dirty) || metadata.Miss.Set(MetadataMissKind.DirtyMark, 0);

    /// <summary>
    /// As <see cref="L2Tables.TryPrepare"/>. Where refcounts are lazy, a new table is stored with its own before anything in it: a repair after a crash
    /// begins from tables that are known to be in use.
    /// </summary>
    internal bool TryPrepare(long guest, out CachedSlice? slice) => metadata.L2.TryPrepare(guest, out slice)
        && (!metadata.IsLazy || !metadata.NewTables.Contains(metadata.L2.TableOffset(guest >> _geometry.L1SpanBits)) || metadata.Miss.Set(MetadataMissKind.StoredTable, 0));

    /// <summary>Makes the entries name what a plan's write has filled, gives up what they named before, and ends the plan.</summary>
    internal bool TryLink(WritePlan plan)
    {
        long guest = plan.Part.FirstCluster << _geometry.ClusterBits;
        if (!metadata.L2.TrySlice(guest, out CachedSlice? slice)) return false;
        int index = metadata.L2.IndexOf(guest);
        for (int i = 0; i < plan.Part.Count; i++, guest += _geometry.ClusterBytes)
        {
            L2Entry old = metadata.L2.Get(slice!, index + i);
            ulong word = (ulong)(plan.HostOffset + ((long)i << _geometry.ClusterBits)) | Qcow2Limits.CopiedFlag, bitmap = 0;
            if (_geometry.IsExtended)
            {
                uint range = RangeBits(plan, guest);
                uint zeros = old.IsCompressed ? 0 : old.Zeros & ~range, allocated = range | (plan.IsNew ? 0 : old.Allocated);
                bitmap = ((ulong)zeros << 32) | allocated;
            }
            metadata.L2.Set(slice!, index + i, new(word, bitmap));
            if (plan.IsNew) Release(old, FreeReason.Replaced);
        }
        metadata.InFlight.End(plan.Part);
        return true;
    }

    /// <summary>Decides for space that is taken ahead: where clusters have no place, a plan that fills them; else none, and where to go on.</summary>
    internal bool TryPreallocate(long guest, long end, out long next, out WritePlan? plan)
    {
        (next, plan) = (guest, null);
        long first = guest >> _geometry.ClusterBits, count = Math.Min((end - guest) >> _geometry.ClusterBits, (1 << _geometry.L2SliceBits) - metadata.L2.IndexOf(guest));
        if (!TryBeginChange() || !TryPrepare(guest, out CachedSlice? slice)) return false;
        int index = metadata.L2.IndexOf(guest), run = 0;
        bool taken = metadata.L2.GetChecked(slice!, index, guest) is var entry && (entry.IsCompressed || entry.HasPlace(_hasDataFile));
        while (run < count && metadata.L2.GetChecked(slice!, index + run, guest + ((long)run << _geometry.ClusterBits)) is var other
            && (other.IsCompressed || other.HasPlace(_hasDataFile)) == taken) run++;
        if (!taken)
        {
            long host = guest;
            bool fresh = false;
            if (!_hasDataFile)
            {
                if (!metadata.Allocator.TryAllocate(run, out Allocation allocation)) return false;
                (host, fresh) = (allocation.First << _geometry.ClusterBits, allocation.IsFresh);
            }
            // With subclusters the entries only get their place: what lies below goes on to show.
            long none = _geometry.IsExtended ? guest : guest + ((long)run << _geometry.ClusterBits);
            plan = new WritePlan
            {
                Part = metadata.InFlight.Add(first, run), HostOffset = host, IsNew = true, IsFresh = fresh,
                WriteStart = guest, WriteEnd = none, CopyStart = guest, CopyEnd = none,
            };
        }
        next = guest + ((long)run << _geometry.ClusterBits);
        return true;
    }

    /// <summary>A plan's write failed: what it took is given back.</summary>
    internal void Abandon(WritePlan plan)
    {
        if (plan.IsNew && !_hasDataFile) metadata.Frees.Add(plan.HostOffset >> _geometry.ClusterBits, plan.Part.Count, FreeReason.Replaced);
        metadata.InFlight.End(plan.Part);
    }

    /// <summary>Gives up what an entry named that is not in the table any more. Places in an external data file belong to the disk's offsets for good.</summary>
    internal void Release(L2Entry old, FreeReason reason)
    {
        if (old.IsCompressed)
        {
            (long offset, int length) = old.Descriptor(_geometry);
            long first = offset >> _geometry.ClusterBits;
            metadata.Frees.Add(first, ((offset + length - 1) >> _geometry.ClusterBits) - first + 1, FreeReason.Replaced);
        }
        else if (!_hasDataFile && old.HasPlace(false))
        {
            metadata.Frees.Add(old.HostOffset >> _geometry.ClusterBits, 1, reason);
        }
    }

    private bool TryAllocate(long guest, long maxBytes, ref WriteStep step)
    {
        long first = guest >> _geometry.ClusterBits, count = ((guest + maxBytes - 1) >> _geometry.ClusterBits) - first + 1;
        count = Math.Min(count, (1 << _geometry.L2SliceBits) - metadata.L2.IndexOf(guest));
        if (MustWait(first, ref count) is { } other)
        {
            step = new WriteStep { WaitFor = other };
            return true;
        }
        if (!TryBeginChange() || !TryPrepare(guest, out CachedSlice? slice)) return false;
        int index = metadata.L2.IndexOf(guest);
        L2Entry entry = metadata.L2.GetChecked(slice!, index, guest);
        bool keep = entry.HasPlace(_hasDataFile) && entry.IsCopied;
        count = CountAlike(slice!, index, guest, count, keep, entry.HostOffset);
        long host = entry.HostOffset;
        bool fresh = false;
        if (!keep)
        {
            if (_hasDataFile)
            {
                host = first << _geometry.ClusterBits;
            }
            else
            {
                if (!metadata.Allocator.TryAllocate(count, out Allocation allocation)) return false;
                (host, fresh) = (allocation.First << _geometry.ClusterBits, allocation.IsFresh);
            }
        }
        if (!_hasDataFile) metadata.Overlaps.Check(host, count << _geometry.ClusterBits);
        long end = Math.Min(guest + maxBytes, (first + count) << _geometry.ClusterBits);
        L2Entry last = metadata.L2.Get(slice!, index + (int)count - 1);
        WritePlan plan = new()
        {
            Part = metadata.InFlight.Add(first, count),
            HostOffset = host,
            IsNew = !keep,
            IsFresh = fresh,
            WriteStart = guest,
            WriteEnd = end,
            CopyStart = CopyStart(entry, guest, keep),
            CopyEnd = CopyEnd(last, end, keep),
        };
        step = new WriteStep { Plan = plan, LengthBytes = end - guest, Epoch = metadata.Epochs.Enter() };
        return true;
    }

    // Bytes from guest on that can be written where they lie, with no change of any entry.
    private long CountInPlace(CachedSlice slice, long guest, long maxBytes, out long host)
    {
        int index = metadata.L2.IndexOf(guest), within = _geometry.InCluster(guest), entries = 1 << _geometry.L2SliceBits;
        host = 0;
        long bytes = 0;
        while (bytes < maxBytes && index < entries)
        {
            L2Entry entry = metadata.L2.GetChecked(slice, index++, guest + bytes);
            if (!entry.IsCopied || !entry.HasPlace(_hasDataFile)) break;
            int subcluster = within >> _geometry.SubclusterBits;
            if (entry.KindOf(subcluster, _geometry.IsExtended, _hasDataFile) != SubclusterKind.Data) break;
            if (bytes == 0) host = entry.HostOffset + within;
            else if (entry.HostOffset != host + bytes) break;
            int run = entry.RunFrom(subcluster, _geometry.IsExtended, _hasDataFile, _geometry.SubclusterCount);
            bytes += ((long)(subcluster + run) << _geometry.SubclusterBits) - within;
            within = 0;
            if (subcluster + run != _geometry.SubclusterCount) break;
        }
        return Math.Min(bytes, maxBytes);
    }

    // How many clusters get a new place together, or (keep) have adjoining ones already but not data in all of them.
    private long CountAlike(CachedSlice slice, int index, long guest, long max, bool keep, long host)
    {
        long count = 1;
        for (; count < max; count++)
        {
            L2Entry entry = metadata.L2.GetChecked(slice, index + (int)count, guest + (count << _geometry.ClusterBits));
            bool has = entry.HasPlace(_hasDataFile) && entry.IsCopied;
            if (has != keep) break;
            if (keep && (entry.HostOffset != host + (count << _geometry.ClusterBits) || IsAllData(entry))) break;
        }
        return count;
    }

    private bool IsAllData(L2Entry entry) => _geometry.IsExtended ? entry.Allocated == uint.MaxValue : !entry.IsZero;

    private long CopyStart(L2Entry entry, long start, bool keep)
    {
        long cluster = start & ~(_geometry.ClusterBytes - 1L), sub = start & ~((1L << _geometry.SubclusterBits) - 1);
        if (!_geometry.IsExtended || entry.IsCompressed) return cluster;
        if (keep) return (entry.Allocated & (1u << (int)((start - cluster) >> _geometry.SubclusterBits))) != 0 ? start : sub;
        // A shared cluster is left as a whole: what it has before the write comes along.
        return entry.HasPlace(_hasDataFile) && entry.Allocated != 0 ? Math.Min(sub, cluster + ((long)BitOperations.TrailingZeroCount(entry.Allocated) << _geometry.SubclusterBits)) : sub;
    }

    private long CopyEnd(L2Entry entry, long end, bool keep)
    {
        long cluster = (end - 1) & ~(_geometry.ClusterBytes - 1L), sub = ((end - 1) | ((1L << _geometry.SubclusterBits) - 1)) + 1;
        if (!_geometry.IsExtended || entry.IsCompressed) return cluster + _geometry.ClusterBytes;
        if (keep) return (entry.Allocated & (1u << (int)((end - 1 - cluster) >> _geometry.SubclusterBits))) != 0 ? end : sub;
        return entry.HasPlace(_hasDataFile) && entry.Allocated != 0 ? Math.Max(sub, cluster + ((32L - BitOperations.LeadingZeroCount(entry.Allocated)) << _geometry.SubclusterBits)) : sub;
    }

    // Subclusters of a plan's cluster that hold data when it is done.
    private uint RangeBits(WritePlan plan, long cluster)
    {
        long start = Math.Max(plan.CopyStart - cluster, 0), end = Math.Min(plan.CopyEnd - cluster, _geometry.ClusterBytes);
        if (end <= start) return 0;
        int first = (int)(start >> _geometry.SubclusterBits), behind = (int)((end + (1L << _geometry.SubclusterBits) - 1) >> _geometry.SubclusterBits);
        return L2Entry.Bits(first, behind - first);
    }
}
