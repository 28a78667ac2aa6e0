using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Numerics;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// The persistent bitmaps of an open image. Bits are read when they are needed first. Before memory gets ahead of the disk, by a write of the guest or by a change
/// of a bitmap, the directory says durably that the bitmap is in use, which means after a crash that its bits are lost; <see cref="StoreAsync"/> ends that.
/// <code>stored -> in use on disk, bits in memory -> stored anew</code>
/// <para>Requests record what they change when they have changed it, so that a bitmap that is cleared meanwhile has it. All else comes one at a time, and
/// while no request is in flight.</para>
/// </summary>
internal sealed class Qcow2Bitmaps : IDisposable
{
    private const int MinDefaultGranularityBits = 12, MaxDefaultGranularityBits = 16;

    private readonly Qcow2Metadata _metadata;
    private readonly Qcow2BitmapStore _store;
    private readonly BitmapMemory _memory = new();
    private readonly List<Qcow2Bitmap> _all = [];
    private readonly Lock _sync = new();
    private readonly SemaphoreSlim _gate = new(1, 1);
    private volatile BitmapBits[] _recording = [];
    private volatile bool _mustBegin;
    private long _lengthBytes;

    /// <summary>Takes what the directory has.</summary>
    internal Qcow2Bitmaps(Qcow2Metadata metadata, ImmutableArray<Qcow2BitmapEntry> entries)
    {
        (_metadata, _store, _lengthBytes) = (metadata, new Qcow2BitmapStore(metadata), metadata.Header.LengthBytes);
        foreach (Qcow2BitmapEntry entry in entries) _all.Add(new Qcow2Bitmap(entry));
        Update();
    }

    /// <summary>Requests that change the disk must be recorded. Any thread.</summary>
    internal bool Records => _mustBegin || _recording.Length != 0;

    /// <summary>Before the next one comes <see cref="BeginAsync"/>. Any thread.</summary>
    internal bool MustBegin => _mustBegin;

    /// <summary>All, in the directory's order.</summary>
    internal ImmutableArray<Qcow2Bitmap> All
    {
        get
        {
            lock (_sync) return [.. _all];
        }
    }

    /// <summary>Comes before a request that changes the disk: bitmaps that record are in memory and in use.</summary>
    internal ValueTask BeginAsync() => _mustBegin ? GuardAsync(BeginAllAsync) : ValueTask.CompletedTask;

    /// <summary>A request has changed a range of the disk, or failed on the way. Any thread.</summary>
    internal void Record(long offset, long lengthBytes)
    {
        if (lengthBytes == 0) return;
        lock (_sync)
        {
            foreach (BitmapBits bits in _recording)
                if (offset < bits.LengthBytes) bits.SetRange(offset, Math.Min(lengthBytes, bits.LengthBytes - offset));
        }
    }

    /// <summary>Adds one; 0 is the default granularity.</summary>
    internal ValueTask AddAsync(string name, long granularityBytes, bool isEnabled) => GuardAsync(() =>
    {
        if (name.Length == 0) throw new ImageException("Bitmap name cannot be empty");
        if (granularityBytes != 0 && (granularityBytes < 1L << Qcow2Limits.MinGranularityBits || granularityBytes > 1L << Qcow2Limits.MaxGranularityBits || !BitOperations.IsPow2(granularityBytes)))
            throw new ImageException("Granularity must be power of 2 and at least 512");
        int bits = granularityBytes == 0 ? Math.Clamp(_metadata.Geometry.ClusterBits, MinDefaultGranularityBits, MaxDefaultGranularityBits) : BitOperations.Log2((ulong)granularityBytes);
        if (_all.Exists(other => other.Name == name)) throw new ImageException($"Bitmap already exists: {name}");
        try
        {
            CheckNew(name, bits);
        }
        catch (ImageException e)
        {
            throw new ImageException($"Can't make bitmap '{name}' persistent in '{_metadata.File.Filename}': {e.Message}");
        }
        lock (_sync) _all.Add(new Qcow2Bitmap(name, bits, isEnabled, new BitmapBits(_lengthBytes, bits, _memory)));
        return ValueTask.CompletedTask;
    });

    /// <summary>Removes one, durably.</summary>
    internal ValueTask RemoveAsync(string name) => GuardAsync(async () =>
    {
        Qcow2Bitmap bitmap = Find(name);
        if (bitmap.Stored is { } stored)
        {
            List<Qcow2BitmapEntry> rest = [];
            foreach (Qcow2Bitmap other in _all)
                if (other != bitmap && other.Stored is { } entry) rest.Add(entry);
            await _store.SwitchAsync(rest, []).ConfigureAwait(false);
            await _store.FreeAsync(stored).ConfigureAwait(false);
        }
        lock (_sync)
        {
            _all.Remove(bitmap);
            bitmap.Bits?.Dispose();
        }
    });

    /// <summary>Clears all bits of one.</summary>
    internal ValueTask ClearAsync(string name) => GuardAsync(async () =>
    {
        Qcow2Bitmap bitmap = Find(name).Usable();
        await ChangeAsync(bitmap).ConfigureAwait(false);
        lock (_sync) bitmap.Bits!.Clear();
    });

    /// <summary>Starts or ends recording.</summary>
    internal ValueTask EnableAsync(string name, bool isEnabled) => GuardAsync(async () =>
    {
        Qcow2Bitmap bitmap = Find(name).Usable();
        if (bitmap.IsEnabled == isEnabled) return;
        await ChangeAsync(bitmap).ConfigureAwait(false);
        lock (_sync) bitmap.IsEnabled = isEnabled;
    });

    /// <summary>Finds one whose bits are not lost. Throws <see cref="ImageException"/>.</summary>
    internal Qcow2Bitmap Require(string name)
    {
        lock (_sync) return Find(name).Usable();
    }

    /// <summary>Prepares a merge into one.</summary>
    internal ValueTask BeginMergeAsync(string name) => GuardAsync(() => ChangeAsync(Find(name).Usable()));

    /// <summary>Sets the bits of a range of the disk in one that <see cref="BeginMergeAsync"/> was called for.</summary>
    internal void Set(string name, long offset, long lengthBytes)
    {
        lock (_sync) Find(name).Bits!.SetRange(offset, lengthBytes);
    }

    /// <summary>The run of equal bits at an offset.</summary>
    internal async ValueTask<(bool IsDirty, long LengthBytes)> RunAtAsync(string name, long offset)
    {
        Qcow2Bitmap bitmap;
        lock (_sync) bitmap = Find(name);
        if (bitmap.Usable().Bits is null) await GuardAsync(() => LoadAsync(bitmap)).ConfigureAwait(false);
        lock (_sync) return bitmap.Usable().Bits!.RunAt(offset);
    }

    /// <summary>
    /// Comes before the disk gets another length: all bitmaps are in memory and in use, as those on disk are for the old one. Throws <see cref="ImageException"/>
    /// where one is lost or would be too large.
    /// </summary>
    internal ValueTask BeginResizeAsync(long lengthBytes) => GuardAsync(async () =>
    {
        foreach (Qcow2Bitmap bitmap in _all) Qcow2Bitmap.CheckSize(lengthBytes, bitmap.Usable().GranularityBits, _metadata.Geometry);
        foreach (Qcow2Bitmap bitmap in _all) await ChangeAsync(bitmap).ConfigureAwait(false);
    });

    /// <summary>The disk has another length. What it has more counts as changed, for it may have had something else there before it was cut.</summary>
    internal ValueTask ResizeAsync() => GuardAsync(() =>
    {
        long old = _lengthBytes, now = _metadata.Header.LengthBytes;
        lock (_sync)
        {
            _lengthBytes = now;
            foreach (Qcow2Bitmap bitmap in _all)
            {
                if (bitmap.Bits is not { } before) continue;
                BitmapBits bits;
                try
                {
                    bits = new(now, bitmap.GranularityBits, _memory);
                }
                catch (BlockIoException)
                {
                    bitmap.Lose();
                    continue;
                }
                for (long at = 0, run; at < Math.Min(old, now); at += run)
                {
                    (bool isSet, run) = before.RunAt(at);
                    if (isSet) bits.SetRange(at, Math.Min(run, now - at));
                }
                if (bitmap.IsEnabled && now > old) bits.SetRange(old, now - old);
                before.Dispose();
                bitmap.Bits = bits;
            }
        }
        return ValueTask.CompletedTask;
    });

    /// <summary>Stores all that memory is ahead in, durably. Throws <see cref="BlockIoException"/>, and then bitmaps on disk are as they were, in use.</summary>
    internal ValueTask StoreAsync() => GuardAsync(StoreAllAsync);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_sync)
            foreach (Qcow2Bitmap bitmap in _all) bitmap.Bits?.Dispose();
        _gate.Dispose();
    }

    // One at a time; afterwards what the data path looks at is up to date, whatever came of it.
    private async ValueTask GuardAsync(Func<ValueTask> work)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            await work().ConfigureAwait(false);
        }
        finally
        {
            Update();
            _gate.Release();
        }
    }

    private void Update()
    {
        lock (_sync)
        {
            List<BitmapBits> recording = [];
            bool begins = false;
            foreach (Qcow2Bitmap bitmap in _all)
            {
                if (!bitmap.IsEnabled) continue;
                if (bitmap.Stored is { IsInUse: false }) begins = true;
                else if (bitmap.Bits is { } bits) recording.Add(bits);
            }
            _recording = [.. recording];
            _mustBegin = begins && !_metadata.Settings.ReadOnly;
        }
    }

    private Qcow2Bitmap Find(string name) => _all.Find(bitmap => bitmap.Name == name) ?? throw new ImageException($"Dirty bitmap '{name}' not found");

    private void CheckNew(string name, int granularityBits)
    {
        if (_metadata.Header.Version < 3) throw new ImageException("Cannot store dirty bitmaps in qcow2 v2 files");
        if (Encoding.UTF8.GetByteCount(name) > Qcow2Limits.MaxBitmapNameBytes) throw new ImageException($"Name length exceeds maximum ({Qcow2Limits.MaxBitmapNameBytes} characters)");
        Qcow2Bitmap.CheckSize(_lengthBytes, granularityBits, _metadata.Geometry);
        if (_all.Count >= Qcow2Limits.MaxBitmaps) throw new ImageException("Maximum number of persistent bitmaps is already reached");
    }

    private async ValueTask BeginAllAsync()
    {
        foreach (Qcow2Bitmap bitmap in _all)
        {
            if (!bitmap.IsEnabled || bitmap.IsInconsistent || bitmap.Bits is not null) continue;
            try
            {
                await LoadAsync(bitmap).ConfigureAwait(false);
            }
            catch (Exception e) when (e is ImageException or BlockIoException)
            {
                // The disk is worth more than its bitmap.
                bitmap.Lose();
                _metadata.Settings.Report?.Invoke($"\"{_metadata.File.Filename}\": bitmap '{bitmap.Name}' is inconsistent from now on: {e.Message}");
            }
        }
        await MarkAsync(static bitmap => bitmap.IsEnabled).ConfigureAwait(false);
    }

    private async ValueTask LoadAsync(Qcow2Bitmap bitmap)
    {
        if (bitmap.Bits is not null) return;
        Qcow2Bitmap.CheckSize(_lengthBytes, bitmap.GranularityBits, _metadata.Geometry);
        BitmapBits bits;
        lock (_sync) bits = new BitmapBits(_lengthBytes, bitmap.GranularityBits, _memory);
        try
        {
            await _store.LoadAsync(bitmap.Stored!, bits, _sync).ConfigureAwait(false);
            lock (_sync) bitmap.Bits = bits;
        }
        finally
        {
            if (bitmap.Bits is null)
                lock (_sync) bits.Dispose();
        }
    }

    // Memory is about to get ahead of the disk.
    private async ValueTask ChangeAsync(Qcow2Bitmap bitmap)
    {
        await LoadAsync(bitmap).ConfigureAwait(false);
        await MarkAsync(other => other == bitmap).ConfigureAwait(false);
    }

    private async ValueTask MarkAsync(Func<Qcow2Bitmap, bool> which)
    {
        List<(Qcow2BitmapEntry, bool)> directory = [];
        List<Qcow2Bitmap> marked = [];
        foreach (Qcow2Bitmap bitmap in _all)
        {
            if (bitmap.Stored is not { } entry) continue;
            bool marks = !entry.IsInUse && which(bitmap);
            directory.Add((entry, marks));
            if (marks) marked.Add(bitmap);
        }
        if (marked.Count == 0) return;
        _metadata.CheckWritable();
        await _store.MarkInUseAsync(directory).ConfigureAwait(false);
        lock (_sync)
            foreach (Qcow2Bitmap bitmap in marked) bitmap.Stored = bitmap.Stored! with { Flags = bitmap.Stored.Flags | Qcow2BitmapEntry.InUse };
    }

    private async ValueTask StoreAllAsync()
    {
        if (!_all.Exists(static bitmap => bitmap.IsAhead)) return;
        List<Qcow2BitmapEntry> directory = [], replaced = [];
        List<(Qcow2Bitmap Bitmap, Qcow2BitmapEntry Entry)> stored = [];
        List<Qcow2Range> taken = [];
        bool isWritten = false;
        try
        {
            foreach (Qcow2Bitmap bitmap in _all)
            {
                if (!await IsWrittenAnewAsync(bitmap).ConfigureAwait(false))
                {
                    directory.Add(bitmap.Stored!);
                    continue;
                }
                Qcow2BitmapEntry entry = await _store.WriteAsync(bitmap, bitmap.Bits!, _sync, taken).ConfigureAwait(false);
                directory.Add(entry);
                stored.Add((bitmap, entry));
                if (bitmap.Stored is { } old) replaced.Add(old);
            }
            isWritten = true;
        }
        finally
        {
            if (!isWritten) _store.Abandon(taken);
        }
        await _store.SwitchAsync(directory, taken).ConfigureAwait(false);
        lock (_sync)
            foreach ((Qcow2Bitmap bitmap, Qcow2BitmapEntry entry) in stored) bitmap.Stored = entry;
        foreach (Qcow2BitmapEntry old in replaced) await _store.FreeAsync(old).ConfigureAwait(false);
    }

    // One that records goes with any other, as with QEMU: images of both then have one layout and one length.
    private async ValueTask<bool> IsWrittenAnewAsync(Qcow2Bitmap bitmap)
    {
        if (bitmap.IsAhead) return true;
        if (!bitmap.IsEnabled || bitmap.IsInconsistent) return false;
        try
        {
            await LoadAsync(bitmap).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is ImageException or BlockIoException)
        {
            return false;
        }
    }
}
