; SPDX-License-Identifier: Apache-2.0
;
; The guest of the integration tests: a boot disk of 4 KiB, real mode, no operating system.
;
; It answers the virtio-balloon's questions for memory statistics (legacy interface), lets go of PCI
; devices when the hypervisor asks for them back, and otherwise does one of two things:
;
;   nasm -f bin        -o idle.raw guest.asm    sleeps; the timer is stopped, so the host pays nothing
;   nasm -f bin -DBUSY -o busy.raw guest.asm    18 times a second: writes and reads 4 KiB on each disk
;                                               the BIOS knows, sends and receives a frame on each NIC,
;                                               spends some CPU
;
;   -DNO_USABLE     leaves "usable" out of the statistics, as old balloon drivers do
;   -DNO_SWAP_OUT   leaves "swapped out" out
;
; Layout of memory (segments): 0x2000 the balloon's queue, 0x3000 the NICs' queues, 0x7000 buffers.

bits 16
org 0x7c00

%define PCI_ADDRESS	0xcf8
%define PCI_DATA	0xcfc
%define VIRTIO_NET	0x10001af4
%define VIRTIO_BALLOON	0x10021af4

; registers of a legacy virtio device, from its I/O base
%define R_FEATURES	0x00
%define R_ACCEPTED	0x04
%define R_QUEUE_PAGE	0x08
%define R_QUEUE		0x0e
%define R_NOTIFY	0x10
%define R_STATUS	0x12
%define R_ISR		0x13

%define BALLOON_SEG	0x2000
%define STATS_AVAIL	0x0800		; 128 descriptors of 16 bytes lie before it
%define STATS_USED	0x1000
%define NIC_SEG		0x3000
%define NIC_STEP	0x0800		; paragraphs: 16 KiB to receive, 16 KiB to send
%define NIC_SEND	0x0400
%define NIC_AVAIL	0x1000		; 256 descriptors
%define NICS_MAX	6
%define BUFFER_SEG	0x7000
%define FRAME_BUFFER	0x71000

entry:
	cli
	xor	ax, ax
	mov	ds, ax
	mov	ss, ax
	mov	sp, 0x7c00
	mov	es, ax
	mov	ax, 0x0207		; the seven sectors behind this one
	mov	bx, 0x7e00
	mov	cx, 2
	xor	dh, dh
	int	0x13
	jmp	main

	times 510-($-$$) db 0
	dw	0xaa55

; ---------------------------------------------------------------- PCI and virtio

; esi = address of a device, al = register: leaves the data port in dx
pci_select:
	movzx	eax, al
	or	eax, esi
	mov	dx, PCI_ADDRESS
	out	dx, eax
	mov	dx, PCI_DATA
	ret

; ebx = device and vendor, esi = where to begin: esi = the next such device, or carry
pci_next:
	xor	al, al
	call	pci_select
	in	eax, dx
	cmp	eax, ebx
	je	.found
	add	esi, 0x800
	cmp	esi, 0x80010000
	jb	pci_next
	stc
.found:
	ret

; esi = device, edi = features wanted: bp = its I/O base; reset, acknowledged, negotiated
virtio_begin:
	mov	al, 4
	call	pci_select
	in	eax, dx
	or	al, 5			; I/O space, bus master
	and	ah, 0xfb		; interrupts on
	out	dx, eax
	mov	al, 0x10
	call	pci_select
	in	eax, dx
	and	al, 0xfc
	mov	bp, ax
	lea	dx, [bp + R_STATUS]
	xor	al, al
	out	dx, al
	mov	al, 1
	out	dx, al
	mov	al, 3
	out	dx, al
	mov	dx, bp
	in	eax, dx
	and	eax, edi
	lea	dx, [bp + R_ACCEPTED]
	out	dx, eax
	ret

; cx = queue, ax = its segment: clears the memory and tells the device its page
virtio_queue:
	push	es
	mov	es, ax
	push	ax
	push	cx
	xor	di, di
	xor	eax, eax
	mov	cx, 0x1000
	rep	stosd
	pop	cx
	pop	ax
	pop	es
	movzx	ebx, ax
	shr	ebx, 8			; segment to page
	lea	dx, [bp + R_QUEUE]
	mov	ax, cx
	out	dx, ax
	lea	dx, [bp + R_QUEUE_PAGE]
	mov	eax, ebx
	out	dx, eax
	ret

virtio_ready:
	lea	dx, [bp + R_STATUS]
	mov	al, 7
	out	dx, al
	ret

; ---------------------------------------------------------------- balloon statistics

balloon_begin:
	mov	ebx, VIRTIO_BALLOON
	mov	esi, 0x80000000
	call	pci_next
	jc	.none
	mov	edi, 2			; statistics queue
	call	virtio_begin
	mov	[balloon], bp
	mov	cx, 2
	mov	ax, BALLOON_SEG
	call	virtio_queue
	call	virtio_ready
	mov	ax, BALLOON_SEG
	mov	fs, ax
	mov	dword [fs:0], statistics
	mov	dword [fs:8], statistics_end - statistics
%ifdef BUSY
	mov	word [fs:STATS_AVAIL], 1	; looked at every tick: no interrupt wanted
%endif
	call	balloon_offer
.none:
	ret

balloon_offer:
	inc	word [fs:STATS_AVAIL + 2]
	mov	dx, [balloon]
	add	dx, R_NOTIFY
	mov	ax, 2
	out	dx, ax
	ret

; when the device gave the buffer back: new values, and offer it again
balloon_refresh:
	cmp	word [balloon], 0
	je	.done
	mov	ax, [fs:STATS_USED + 2]
	cmp	ax, [balloon_seen]
	je	.done
	mov	[balloon_seen], ax
	add	dword [swap_in], 4096
%ifndef NO_SWAP_OUT
	add	dword [swap_out], 8192
%endif
	add	dword [major_faults], 1
	add	dword [minor_faults], 5
	sub	dword [memory_free], 4096
%ifndef NO_USABLE
	sub	dword [memory_usable], 8192
%endif
	add	dword [disk_caches], 4096
	call	balloon_offer
.done:
	ret

; ---------------------------------------------------------------- PCI hot-unplug (ACPI's registers)

let_go:
	mov	dx, 0xae10		; bus 0
	xor	eax, eax
	out	dx, eax
	mov	dx, 0xae04		; slots asked back
	in	eax, dx
	mov	dx, 0xae08		; eject the lowest of them
	out	dx, eax
	ret

; ---------------------------------------------------------------- NICs

nics_begin:
	mov	esi, 0x80000000
.next:
	mov	ebx, VIRTIO_NET
	call	pci_next
	jc	.done
	mov	bx, [nics]
	cmp	bx, NICS_MAX
	jae	.done
	xor	edi, edi
	call	virtio_begin
	mov	bx, [nics]
	shl	bx, 1
	mov	[nic_base + bx], bp
	mov	ax, [nic_seg]
	mov	gs, ax
	xor	cx, cx
	call	virtio_queue		; receive
	mov	word [gs:NIC_AVAIL], 1	; no interrupts
	mov	dword [gs:0], FRAME_BUFFER
	mov	dword [gs:8], 2048
	mov	word [gs:12], 2		; the device writes
	mov	ax, [nic_seg]
	add	ax, NIC_SEND
	mov	gs, ax
	mov	cx, 1
	call	virtio_queue		; send
	mov	word [gs:NIC_AVAIL], 1
	mov	dword [gs:0], frame
	mov	dword [gs:8], frame_end - frame
	call	virtio_ready
	inc	word [nics]
	add	word [nic_seg], NIC_STEP
	add	esi, 0x800
	jmp	.next
.done:
	ret

nics_exchange:
	xor	bx, bx
	mov	cx, [nics]
	mov	si, NIC_SEG
.next:
	jcxz	.done
	mov	gs, si
	inc	word [gs:NIC_AVAIL + 2]
	mov	dx, [nic_base + bx]
	add	dx, R_NOTIFY
	xor	ax, ax
	out	dx, ax
	lea	ax, [si + NIC_SEND]
	mov	gs, ax
	inc	word [gs:NIC_AVAIL + 2]
	mov	ax, 1
	out	dx, ax
	add	bx, 2
	add	si, NIC_STEP
	dec	cx
	jmp	.next
.done:
	ret

; ---------------------------------------------------------------- disks, through the BIOS

disks_exchange:
	mov	dl, 0x80
	mov	cl, [0x475]		; how many the BIOS found
.next:
	test	cl, cl
	jz	.done
	push	cx
	push	dx
	mov	ax, 0x4300		; write
	mov	si, packet
	int	0x13
	pop	dx
	push	dx
	mov	ax, 0x4200		; read
	mov	si, packet
	int	0x13
	pop	dx
	pop	cx
	inc	dl
	dec	cl
	jmp	.next
.done:
	ret

; ---------------------------------------------------------------- main

main:
	cld
	mov	al, 0xff
	out	0x21, al
	out	0xa1, al
	call	balloon_begin

%ifdef BUSY
	call	nics_begin
	mov	al, 0xfe		; the timer only
	out	0x21, al
.tick:
	sti
	hlt
	mov	eax, [0x46c]
	cmp	eax, [last_tick]
	je	.tick
	mov	[last_tick], eax
	and	eax, 0x7f		; around in 512 KiB, beginning at 1 MiB
	shl	eax, 3
	add	eax, 2048
	mov	[packet_sector], eax
	call	disks_exchange
	call	nics_exchange
	call	balloon_refresh
	call	let_go
	mov	ecx, 400000
.burn:
	dec	ecx
	jnz	.burn
	jmp	.tick
%else
	mov	al, 0x30		; channel 0, one shot, and it has run out: no host timer stays armed
	out	0x43, al
	mov	al, 0xff
	out	0x40, al
	out	0x40, al
	mov	di, 0x71 * 4		; PCI interrupts come as 9, 10 or 11
	mov	cx, 3
.vector:
	mov	word [di], interrupt
	mov	word [di + 2], 0
	add	di, 4
	loop	.vector
	mov	al, 0xf1
	out	0xa1, al
	mov	al, 0xfb
	out	0x21, al
.sleep:
	sti
	hlt
	cli
	call	balloon_refresh
	call	let_go
	jmp	.sleep

interrupt:
	push	ax
	push	dx
	mov	dx, [balloon]
	add	dx, R_ISR		; reading it lowers the line
	in	al, dx
	mov	al, 0x20
	out	0xa0, al
	out	0x20, al
	pop	dx
	pop	ax
	iret
%endif

; ---------------------------------------------------------------- data

balloon:	dw 0
balloon_seen:	dw 0
nics:		dw 0
nic_seg:	dw NIC_SEG
nic_base:	times NICS_MAX dw 0
last_tick:	dd 0

packet:		db 16, 0
		dw 8			; sectors
		dw 0, BUFFER_SEG
packet_sector:	dd 0, 0

; pairs of a 16-bit tag and a 64-bit value (VIRTIO 1.1, 5.5.6.3)
statistics:
		dw 0
swap_in:	dq 0
%ifndef NO_SWAP_OUT
		dw 1
swap_out:	dq 1048576
%endif
		dw 2
major_faults:	dq 17
		dw 3
minor_faults:	dq 4711
		dw 4
memory_free:	dq 50331648
		dw 5
		dq 62914560		; total
%ifndef NO_USABLE
		dw 6
memory_usable:	dq 54525952
%endif
		dw 7
disk_caches:	dq 3145728
statistics_end:

frame:		times 10 db 0		; virtio's header
		times 6 db 0xff
		db 0x52, 0x54, 0x00, 0xfe, 0xed, 0x01
		db 0x88, 0xb5		; local experimental ethertype
		times 46 db 0x55
frame_end:
		times 4096-($-$$) db 0
