using System.Threading;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// Messages from other threads to one vCPU about pages: drop write tags (no granules), of one page or of all, drop translated code, or forget where pages are. The vCPU takes them
/// before it (re-)enters translated code.
/// </summary>
internal sealed class VcpuMessages(SoftVcpu vcpu)
{
    /// <summary>In the place of a page: all of them.</summary>
    public const int EveryPage = -1;

    /// <summary>In the place of a page, with no granules: forget every translation of addresses, because what memory is where has changed.</summary>
    public const int EveryTranslation = -2;

    // In the place of a page, with no granules: forget all translated code and translations of addresses.
    private const int Everything = -3;

    // A vCPU that is stopped or not plugged in takes nothing, while others go on writing code.
    private const int MostItems = 4096;

    private readonly Lock _lock = new();
    private (int Page, ulong Granules)[] _items = new (int, ulong)[64];
    private int _count;

    /// <summary>Something waits. The vCPU's own check needs no lock.</summary>
    public bool Any => Volatile.Read(ref _count) != 0;

    /// <summary>Any thread. <paramref name="granules"/> 0: drop write tags of the page.</summary>
    public void Post(int page, ulong granules)
    {
        lock (_lock)
        {
            // A vCPU that is stopped takes nothing, and need not hear the same again and again.
            if (page < 0 && _count > 0 && _items[_count - 1].Page == page) return;
            if (_count > 0 && _items[0].Page == Everything) return;
            if (_count == MostItems) (page, granules, _count) = (Everything, 0, 0);
            if (_count == _items.Length) System.Array.Resize(ref _items, _count * 2);
            _items[_count] = (page, granules);
            Volatile.Write(ref _count, _count + 1);
        }
        vcpu.Kick();
    }

    /// <summary>The vCPU's thread: carries out what waits.</summary>
    public void Take()
    {
        if (!Any) return;
        lock (_lock)
        {
            for (int i = 0; i < _count; i++)
            {
                (int page, ulong granules) = _items[i];
                if (page == Everything) vcpu.Translations.Flush();
                if (page is EveryTranslation or Everything) vcpu.Contexts.FlushAll();
                else if (page == EveryPage) vcpu.Contexts.DropAllWriteTags();
                else if (granules == 0) vcpu.Contexts.DropWriteTags(page, vcpu.Machine.CodePages.PhysicalOf(page));
                else vcpu.Translations.InvalidateBlocks(page, granules);
            }
            Volatile.Write(ref _count, 0);
        }
    }
}
