namespace Hutch.Kvm.Abi;

/// <summary>Request numbers of linux/kvm.h for x86-64, as ioctl(2) takes them. The name in the header is KVM_ and the words in capitals.</summary>
internal static class KvmIoctl
{
    internal const uint GetApiVersion = 0xae00;
    internal const uint CreateVm = 0xae01;
    internal const uint GetMsrIndexList = 0xc004ae02;
    internal const uint CheckExtension = 0xae03;
    internal const uint GetVcpuMmapSize = 0xae04;
    internal const uint GetSupportedCpuid = 0xc008ae05;
    internal const uint CreateVcpu = 0xae41;
    internal const uint GetDirtyLog = 0x4010ae42;
    internal const uint SetUserMemoryRegion = 0x4020ae46;
    internal const uint SetTssAddr = 0xae47;
    internal const uint SetIdentityMapAddr = 0x4008ae48;
    internal const uint SignalMsi = 0x4020aea5;
    internal const uint SetGsiRouting = 0x4008ae6a;
    internal const uint Irqfd = 0x4020ae76;
    internal const uint Ioeventfd = 0x4040ae79;
    internal const uint RegisterCoalescedMmio = 0x4010ae67;
    internal const uint UnregisterCoalescedMmio = 0x4010ae68;
    internal const uint EnableCap = 0x4068aea3;
    internal const uint ClearDirtyLog = 0xc018aec0;
    internal const uint ResetDirtyRings = 0xaec7;
    internal const uint GetClock = 0x8030ae7c;
    internal const uint SetClock = 0x4030ae7b;
    internal const uint Run = 0xae80;
    internal const uint GetRegs = 0x8090ae81;
    internal const uint SetRegs = 0x4090ae82;
    internal const uint GetSregs = 0x8138ae83;
    internal const uint SetSregs = 0x4138ae84;
    internal const uint Interrupt = 0x4004ae86;
    internal const uint GetMsrs = 0xc008ae88;
    internal const uint SetMsrs = 0x4008ae89;
    internal const uint SetCpuid2 = 0x4008ae90;
    internal const uint GetCpuid2 = 0xc008ae91;
    internal const uint GetLapic = 0x8400ae8e;
    internal const uint SetLapic = 0x4400ae8f;
    internal const uint GetMpState = 0x8004ae98;
    internal const uint SetMpState = 0x4004ae99;
    internal const uint Nmi = 0xae9a;
    internal const uint GetVcpuEvents = 0x8040ae9f;
    internal const uint SetVcpuEvents = 0x4040aea0;
    internal const uint GetDebugregs = 0x8080aea1;
    internal const uint SetDebugregs = 0x4080aea2;
    internal const uint SetTscKhz = 0xaea2;
    internal const uint GetTscKhz = 0xaea3;
    internal const uint GetXsave = 0x9000aea4;
    internal const uint SetXsave = 0x5000aea5;
    internal const uint GetXcrs = 0x8188aea6;
    internal const uint SetXcrs = 0x4188aea7;
    internal const uint KvmclockCtrl = 0xaead;
    internal const uint GetXsave2 = 0x9000aecf;
}
