namespace Hutch.Devices.Virtio.Balloon;

/// <summary>Numbers of the memory balloon (virtio 1.2 §5.5).</summary>
internal static class VirtioBalloonRegisters
{
    /// <summary>Device type.</summary>
    internal const ushort DeviceType = 5;

    /// <summary>Feature bits (§5.5.3): statistics queue, the guest may take pages back before it runs out of memory, free page reporting.</summary>
    internal const ulong FeatureStatistics = 1UL << 1, FeatureDeflateOnOom = 1UL << 2, FeatureReporting = 1UL << 5;

    /// <summary>Configuration (§5.5.4): pages that the device wants, pages that the driver has given up.</summary>
    internal const int WantedPages = 0, ActualPages = 4, ConfigBytes = 16;

    /// <summary>Queues (§5.5.2). A driver without statistics has its reporting queue in their place.</summary>
    internal const int InflateQueue = 0, DeflateQueue = 1, StatisticsQueue = 2, ReportingQueue = 3;

    /// <summary>Bytes of a page, whatever the guest's pages are (§5.5.6).</summary>
    internal const uint PageBytes = 4096;

    /// <summary>Bytes of a page's number in a request.</summary>
    internal const int EntryBytes = 4;

    /// <summary>Bytes of a statistic: a tag of 16 bits and a value of 64 (§5.5.6.3).</summary>
    internal const int StatisticBytes = 10;
}
